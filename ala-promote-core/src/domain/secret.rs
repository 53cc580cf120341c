//! Values that must not be seen.

use std::fmt;

use sha2::{Digest, Sha256};

/// A value from an env file or a password: it can be compared and used, but neither printed nor serialised.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that needs it. Never for a message, an argument or a file that others read.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Sixteen hex digits that are equal for equal values under the same key, and tell nothing without the key.
    #[must_use]
    pub fn fingerprint(&self, key: &FingerprintKey) -> String {
        // HMAC's two passes: a plain hash of key and value can be extended, and short values be guessed without a key.
        let pass = |pad: u8, message: &[u8]| {
            let mut hash = Sha256::new();
            let block: [u8; 64] = std::array::from_fn(|i| pad ^ key.0.get(i).copied().unwrap_or_default());
            hash.update(block);
            hash.update(message);
            hash.finalize()
        };
        let inner = pass(0x36, self.0.as_bytes());
        let outer = pass(0x5c, &inner);
        outer.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// The key of one ledger's fingerprints, kept in its state folder (0600) and nowhere else.
#[derive(Clone)]
pub struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_hmac_sha256() {
        // RFC 4231, test case 2, whose key "Jefe" is padded with zeroes.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let secret = Secret::new("what do ya want for nothing?");
        assert_eq!(secret.fingerprint(&FingerprintKey::new(key)), "5bdcc146bf60754e");
    }

    #[test]
    fn is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
    }
}
