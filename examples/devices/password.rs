//! How are passwords hashed and verified?

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::AppError;

/// Limits how many passwords are hashed at once. Each hash takes 19 MiB and a processor.
static PERMITS: Semaphore = Semaphore::const_new(4);

/// The hash of "nobody", with the same parameters as the hashes of accounts.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdC4uLg$obP2rSperi7mQMlFhT+46eQIuef+jIbgjJfufNlfb40";

pub async fn hash(password: String) -> Result<String, AppError> {
    let _permit = PERMITS.acquire().await?;
    let hash = spawn_blocking(move || Argon2::default().hash_password(password.as_bytes()));
    Ok(hash.await??.to_string())
}

/// Returns whether the password has this hash. Without a hash it takes as long and returns false, so that
/// the response time does not reveal whether an account exists.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, AppError> {
    let _permit = PERMITS.acquire().await?;
    let is_correct = spawn_blocking(move || {
        let hash = hash.as_deref();
        let verified =
            Argon2::default().verify_password(password.as_bytes(), hash.unwrap_or(DUMMY_HASH));
        match verified {
            Ok(()) => Ok(hash.is_some()),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        }
    });
    Ok(is_correct.await??)
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;
    use argon2::{Argon2, Params};

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches_a_hash() {
        let hash = hash("correct horse".to_owned()).await.unwrap();
        for (password, is_correct) in [("correct horse", true), ("correct horsf", false)] {
            let verified = verify(password.to_owned(), Some(hash.clone())).await;
            assert_eq!(verified.unwrap(), is_correct, "{password}");
        }
        assert!(!verify("nobody".to_owned(), None).await.unwrap());
    }

    #[test]
    fn the_dummy_hash_costs_as_much_as_an_accounts_hash() {
        let dummy = PasswordHash::new(DUMMY_HASH).unwrap();
        let params = Params::try_from(&dummy).unwrap();
        let defaults = Argon2::default();
        assert_eq!(params.m_cost(), defaults.params().m_cost());
        assert_eq!(params.t_cost(), defaults.params().t_cost());
        assert_eq!(params.p_cost(), defaults.params().p_cost());
        assert_eq!(dummy.hash.unwrap().len(), Params::DEFAULT_OUTPUT_LEN);
    }
}
