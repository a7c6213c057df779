//! What nobody can guess, and what proves it was known before (RFC 7636).

use crate::config::Secret;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

/// 256 random bits as 43 characters that need no escaping.
pub(super) fn unguessable() -> Result<Secret, String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
}

/// The `S256` code challenge of a verifier.
pub(super) fn challenge(verifier: &Secret) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let (a, b) = (unguessable().unwrap(), unguessable().unwrap());
        assert_eq!((a.expose().len(), a == b), (43, false));
    }
}
