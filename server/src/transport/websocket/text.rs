//! Text as it arrives.

/// Text that comes in parts, which may end within a character.
#[derive(Debug, Default)]
pub(super) struct Utf8(Vec<u8>);

impl Utf8 {
    /// Whether it may still become text with these bytes.
    pub(super) fn go_on(&mut self, bytes: &[u8]) -> bool {
        let mut text = std::mem::take(&mut self.0);
        text.extend_from_slice(bytes);
        match std::str::from_utf8(&text) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                self.0 = text.split_off(error.valid_up_to());
                true
            }
            Err(_) => false,
        }
    }
}
