//! Derives for random structs: the result is code or errors, never a panic.

use proptest::prelude::*;
use proptest::sample::select;
use syn::DeriveInput;

use crate::derive;

const NAMES: &[&str] = &[
    "sid",
    "sess",
    "expire",
    "id",
    "data",
    "expires_at",
    "user_id",
    "r#type",
    "_x",
    "ключ",
    "x__y",
    "session_id",
    "created_at",
    "version",
    "Sid",
    "self_",
];

const TYPES: &[&str] = &[
    "String",
    "Json",
    "Vec<u8>",
    "TimeDateTimeWithTimeZone",
    "Option<i32>",
    "Option<String>",
    "i64",
    "(u8, u8)",
    "[u8; 4]",
    "&'static str",
    "fn() -> u8",
    "HasOne<super::user::Entity>",
    "Option<Option<String>>",
    "std::option::Option<DateTime>",
    "impl Sized",
    "!",
    "dyn Fn()",
    "Option",
];

const ATTRIBUTES: &[&str] = &[
    "#[session(sid)]",
    "#[session(sess)]",
    "#[session(expire)]",
    "#[session(key = \"k\")]",
    "#[session(index)]",
    "#[session(index = 3, skip)]",
    "#[session(key)]",
    "#[session(key = 3)]",
    "#[session(key = \"\")]",
    "#[session(pointer = \"/a/b\")]",
    "#[session(pointer = \"a\")]",
    "#[session(pointer = \"/~2\")]",
    "#[session(pointer = \"\")]",
    "#[session(with = path::to)]",
    "#[session(with = 3 + 4)]",
    "#[session(with)]",
    "#[session(default)]",
    "#[session(default = vec![1, 2].len())]",
    "#[session(created_at)]",
    "#[session(last_seen)]",
    "#[session(authenticated_at)]",
    "#[session(idle_timeout, index)]",
    "#[session(version)]",
    "#[session(skip)]",
    "#[session(skip = true)]",
    "#[session(crate = a::b)]",
    "#[session()]",
    "#[session]",
    "#[session = \"x\"]",
    "#[session(keey = \"k\")]",
    "#[session(sid, sid)]",
    "#[session(a::b)]",
    "#[session(key = \"k\" pointer)]",
    "#[session({})]",
    "#[session(1)]",
    "#[sea_orm(primary_key)]",
    "#[sea_orm(primary_key, auto_increment = false)]",
    "#[sea_orm(ignore)]",
    "#[sea_orm(column_type = \"Text\", nullable)]",
    "#[sea_orm(enum_name = \"Other\")]",
    "#[sea_orm(enum_name = \"1\")]",
    "#[sea_orm]",
    "#[sea_orm(a(b(c)), = 3)]",
    "#[doc = \"words\"]",
];

fn field() -> impl Strategy<Value = String> {
    let attributes = prop::collection::vec(select(ATTRIBUTES), 0..4);
    (attributes, select(NAMES), select(TYPES))
        .prop_map(|(attributes, name, ty)| format!("{} pub {name}: {ty}", attributes.join(" ")))
}

fn item() -> impl Strategy<Value = String> {
    let heads = &[
        "struct Model",
        "pub struct Model",
        "pub(crate) struct Model",
        "pub struct ModelEx",
        "pub struct Other",
        "pub struct Model<T>",
        "pub struct Model<'a, const N: usize>",
        "#[session(key = \"k\")] pub struct Model",
        "#[session(crate = a::b)] pub struct Model",
        "#[session(crate = 3, crat = \"a\")] pub struct Model",
        "#[sea_orm(table_name = \"t\")] pub struct Model",
        "union Model",
        "pub struct Model where u8: Copy",
    ];
    let fields = prop::collection::vec(field(), 0..8);
    let braced = (select(&heads[..]), fields)
        .prop_map(|(head, fields)| format!("{head} {{ {} }}", fields.join(", ")));
    let others = select(
        &[
            "struct Model;",
            "struct Model();",
            "struct Model(pub String, #[session(sid)] u8);",
            "enum Model {}",
            "enum Model { A, B { #[session(sid)] x: u8 } }",
        ][..],
    );
    prop_oneof![9 => braced, 1 => others.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_struct_gives_code_or_errors(item in item()) {
        // Input that is not valid Rust never reaches a derive.
        if let Ok(input) = syn::parse_str::<DeriveInput>(&item) {
            let code = derive(&input);
            let is_model_ex = input.ident == "ModelEx";
            prop_assert!(syn::parse2::<syn::File>(code.clone()).is_ok(), "{item}: {code}");
            let has_errors = code.to_string().contains("compile_error");
            let has_impl = code.to_string().contains("fn columns");
            prop_assert!(is_model_ex == code.is_empty(), "{item}");
            prop_assert!(is_model_ex || has_errors || has_impl, "{item}: {code}");
        }
    }
}
