//! The headless client and, with the feature `monitor`, the page.
