//! Every fault of a session model is told at its token, in words, alone; every model that keeps the
//! rules compiles.

#[test]
fn a_fault_is_told_where_it_is_and_a_good_model_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*.rs");
    cases.pass("ui/pass/*.rs");
}
