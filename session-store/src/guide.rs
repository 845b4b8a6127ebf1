#![cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#![doc = include_str!("../docs/guide.md")]

// Links are by reference. `links.md` comes first, so in these docs its definitions win over those at the
// foot of a chapter, which lead from file to file. A doctest is named after the first file: the chapter.

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/quick_start.md")]
pub mod quick_start {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/coming_from.md")]
pub mod coming_from {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/entity.md")]
pub mod entity {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/extra_columns.md")]
pub mod extra_columns {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/timeouts.md")]
pub mod timeouts {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/listing_and_revoking.md")]
pub mod listing_and_revoking {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/events.md")]
pub mod events {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/watching.md")]
pub mod watching {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/security.md")]
pub mod security {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/compliance.md")]
pub mod compliance {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[cfg_attr(feature = "axum", doc = include_str!("../docs/typed.md"))]
#[cfg_attr(
    not(feature = "axum"),
    doc = "Enable the feature `axum` to read this chapter."
)]
pub mod typed {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/bearer.md")]
pub mod bearer {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[cfg_attr(feature = "tower-sessions-0_14", doc = include_str!("../docs/axum_login.md"))]
#[cfg_attr(
    not(feature = "tower-sessions-0_14"),
    doc = "Enable the feature `tower-sessions-0_14` to read this chapter."
)]
pub mod axum_login {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/databases.md")]
pub mod databases {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/migrations.md")]
pub mod migrations {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/pruning.md")]
pub mod pruning {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/operators.md")]
pub mod operators {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/telemetry.md")]
pub mod telemetry {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/caching.md")]
pub mod caching {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/scaling.md")]
pub mod scaling {}

#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}
