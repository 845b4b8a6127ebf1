//! Compares the generated code with the formatted code in `snapshots/`.

use std::error::Error;
use std::{env, fs};

use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_quote};

use crate::derive;

type TestResult = Result<(), Box<dyn Error>>;

fn formatted(tokens: TokenStream) -> syn::Result<String> {
    syn::parse2(tokens).map(|file| prettyplease::unparse(&file))
}

/// With `SESSION_STORE_WRITE_SNAPSHOTS=1`, writes the snapshot instead.
#[track_caller]
fn assert_expands_to(name: &str, input: &DeriveInput) -> TestResult {
    let path = format!("{}/snapshots/{name}.rs", env!("CARGO_MANIFEST_DIR"));
    let expanded = formatted(derive(input))?;
    if env::var_os("SESSION_STORE_WRITE_SNAPSHOTS").is_some() {
        fs::write(&path, &expanded)?;
    }
    let snapshot = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expanded == snapshot,
        "the generated code differs from snapshots/{name}.rs. If the change is intended, run \
         `SESSION_STORE_WRITE_SNAPSHOTS=1 cargo test -p session-store-derive` and read the \
         difference. The code is now:\n\n{expanded}"
    );
    Ok(())
}

#[test]
fn the_entity_of_the_quick_start_expands_to_one_small_impl() -> TestResult {
    assert_expands_to(
        "quick-start",
        &parse_quote! {
            #[sea_orm(table_name = "session")]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub sid: String,
                pub sess: Json,
                pub expire: TimeDateTimeWithTimeZone,
                pub user_id: Option<i32>,
                pub user_agent: Option<String>,
            }
        },
    )
}

fn every_attribute() -> DeriveInput {
    parse_quote! {
        #[sea_orm(table_name = "session")]
        pub(crate) struct Model {
            #[session(sid)]
            #[sea_orm(primary_key, auto_increment = false, enum_name = "SessionId")]
            id: String,
            #[session(sess)]
            data: Vec<u8>,
            #[session(expire)]
            ends: chrono::DateTime<chrono::Utc>,
            #[session(created_at)]
            born: TimeDateTime,
            #[session(last_seen)]
            seen: Option<TimeDateTime>,
            #[session(version)]
            saves: i64,
            #[session(authenticated_at)]
            signed_in: Option<TimeDateTime>,
            #[session(idle_timeout)]
            idle_seconds: Option<i32>,
            #[session(index)]
            r#type: Option<String>,
            #[session(default)]
            visits: i32,
            #[session(key = "user-agent", index)]
            agent: Option<HashMap<String, (i32, [u8; 4])>>,
            #[session(key = "lang", default = "en".to_owned())]
            language: String,
            #[session(pointer = "/cart/total")]
            total: Option<i64>,
            #[session(pointer = "/cart/count", default = 2 * FEW)]
            count: i64,
            #[session(with = crate::device::<Kind>)]
            device: <Kind as Device>::Name,
            #[session(header = "user-agent")]
            header: Option<String>,
            #[session(request = crate::client::<Proxy>)]
            client: <Client as Address>::Text,
            #[session(skip)]
            note: String,
            #[sea_orm(ignore)]
            cached: Cached,
            user: HasOne<user::Entity>,
        }
    }
}

fn missing_expire() -> DeriveInput {
    parse_quote! {
        #[sea_orm(table_name = "session")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub sid: String,
            pub sess: Json,
            #[session(version)]
            pub version: i64,
            pub user_id: Option<i32>,
        }
    }
}

#[test]
fn every_attribute_expands_to_one_line() -> TestResult {
    assert_expands_to("every-attribute", &every_attribute())
}

#[test]
fn a_struct_with_an_error_expands_to_an_impl_of_its_valid_parts() -> TestResult {
    assert_expands_to("missing-expire", &missing_expire())
}

#[test]
fn the_primary_key_of_an_expanded_entity_is_checked_by_the_compiler() -> TestResult {
    assert_expands_to(
        "expanded-entity",
        &parse_quote! {
            pub struct Model {
                pub sid: String,
                pub sess: Json,
                pub expire: TimeDateTimeWithTimeZone,
            }
        },
    )
}

#[test]
fn the_crate_attribute_replaces_every_path_of_the_library() {
    let no_entity = parse_quote! {
        #[sea_orm(table_name = "session")]
        struct Model;
    };
    let expanded = parse_quote! {
        struct Model {
            sid: String,
            sess: Json,
            expire: TimeDateTime,
        }
    };
    for input in [every_attribute(), missing_expire(), no_entity, expanded] {
        let mut renamed = input.clone();
        renamed.attrs.push(parse_quote!(#[session(crate = a::b)]));
        let code = derive(&input).to_string();
        let expected = code.replace(":: session_store", "a :: b");
        assert_ne!(expected, code);
        assert_eq!(derive(&renamed).to_string(), expected);
    }
}

#[test]
fn the_second_struct_of_the_model_format_expands_to_nothing() {
    let model_ex: DeriveInput = parse_quote! {
        pub struct ModelEx {
            #[session(no_such_attribute)]
            pub id: i32,
        }
    };
    assert!(derive(&model_ex).is_empty());
}

/// A panic would hide all errors.
#[test]
fn odd_input_gives_errors_and_no_panic() -> TestResult {
    let invalid = [
        "struct Model;",
        "struct Model();",
        "struct Model {}",
        "struct Model(#[session(sid)] String, #[session(key)] i32);",
        "enum Model {}",
        "enum Model { #[session(skip)] A(i32), B { sid: String } }",
        "union Model { sid: u64, sess: u64 }",
        "struct Model<T: ?Sized + 'static, const N: usize> where T: Sized { sid: [T; N] }",
        "struct r#Model<'a> { r#sid: &'a str, sess: Json, expire: Time }",
        "struct Session { sid: String, sess: Json, expire: Time }",
        "#[session] struct Model { a: i32 }",
        "#[session()] #[session = 3] #[session(sid, 5)] #[session{}] struct Model {}",
        "#[session(crate = <T>::x)] #[session(crate = 1, crate)] #[session(, crate = a)] struct Model {}",
        "struct Model { #[session(crate = a, default = 1)] a: i32, #[session(crate)] crate_: i32 }",
        "struct Model { _1: i32, __: i32, self_: i32, r#crate_: i32, ünï_cödé: i32 }",
        "struct Model { #[sea_orm(primary_key)] _1: i32, #[session(default)] __: i32 }",
        "struct Model { #[sea_orm] #[sea_orm = 1] #[sea_orm()] #[sea_orm(,,=)] sid: String }",
        "struct Model { #[sea_orm(enum_name = \"9 9\", primary_key = , = ignore)] sid: String }",
        "struct Model { #[session(,)] #[session(,,)] #[session(= 3)] #[session(key =)] a: i32 }",
        "struct Model { #[session(key = \"a\" \"b\" c, default = 1 +, with = |x|)] a: i32 }",
        "struct Model { #[session[sid(1)(2) = 3, sess { expire }, r#expire, a::b]] a: i32 }",
        "struct Model { #[session(key = b\"x\", pointer = c\"/\", with = 'x', _, \"\")] a: i32 }",
        "struct Model { #[session(pointer = \"~\")] a: i32, #[session(pointer = \"é~2\")] b: i32 }",
        "struct Model { #[session(ß, 日本, pönter = 1, x)] a: i32 }",
        "struct Model { sid: fn(i32) -> i32, sess: !, r#expire: Option<()>, a: impl Sized, b: dyn A + 'static }",
        "struct Model { sid: Option, sess: Option<>, expire: Option<'static, i8>, a: m!(x), b: _ }",
        "struct Model { sid: Option<i32>, #[session(sid)] sess: i32, #[session(sid, sid)] x: i32 }",
    ];
    for text in invalid {
        let input: DeriveInput = syn::parse_str(text)?;
        let expanded = formatted(derive(&input))?;
        assert!(expanded.contains("compile_error"), "{text}\n{expanded}");
        assert_eq!(
            expanded.matches("type Store").count(),
            1,
            "{text}\n{expanded}"
        );
    }
    Ok(())
}
