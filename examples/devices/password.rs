//! How are passwords kept and checked?

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::AppError;

/// A hash takes 19 MiB and a processor: many people who sign in at once wait in line.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// The hash of "nobody", made with the same parameters as those of accounts.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdC4uLg$obP2rSperi7mQMlFhT+46eQIuef+jIbgjJfufNlfb40";

pub async fn hash(password: String) -> Result<String, AppError> {
    let _turn = AT_ONCE.acquire().await?;
    let hash = spawn_blocking(move || Argon2::default().hash_password(password.as_bytes()));
    Ok(hash.await??.to_string())
}

/// Whether the password has this hash. Without one it takes as long, and is wrong: the time of an
/// answer does not tell whether there is an account.
pub async fn matches(password: String, hash: Option<String>) -> Result<bool, AppError> {
    let _turn = AT_ONCE.acquire().await?;
    let is_right = spawn_blocking(move || {
        let hash = hash.as_deref();
        let verified =
            Argon2::default().verify_password(password.as_bytes(), hash.unwrap_or(NOBODY));
        match verified {
            Ok(()) => Ok(hash.is_some()),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        }
    });
    Ok(is_right.await??)
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;
    use argon2::{Argon2, Params};

    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let hash = hash("correct horse".to_owned()).await.unwrap();
        for (password, is_right) in [("correct horse", true), ("correct horsf", false)] {
            let answer = matches(password.to_owned(), Some(hash.clone())).await;
            assert_eq!(answer.unwrap(), is_right, "{password}");
        }
        assert!(!matches("nobody".to_owned(), None).await.unwrap());
    }

    #[test]
    fn nobodys_hash_costs_what_an_accounts_does() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&nobody).unwrap();
        let defaults = Argon2::default();
        assert_eq!(params.m_cost(), defaults.params().m_cost());
        assert_eq!(params.t_cost(), defaults.params().t_cost());
        assert_eq!(params.p_cost(), defaults.params().p_cost());
        assert_eq!(nobody.hash.unwrap().len(), Params::DEFAULT_OUTPUT_LEN);
    }
}
