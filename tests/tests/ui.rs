//! The compiler's messages: an invalid model gets one clear error for each mistake, at the token that
//! causes it. A valid model compiles.

#[test]
fn invalid_models_get_clear_errors_and_valid_models_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*.rs");
    cases.pass("ui/pass/*.rs");
}
