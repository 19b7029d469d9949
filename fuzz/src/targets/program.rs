//! What programs and language models answer that the server has called.

use stepcast::llm::ProviderKind;
use stepcast::untrusted::{model, program};

use super::texts;
use crate::Target;
use crate::bytes::Input;

/// The lines of `command` steps and of Python workers.
pub(super) const PROGRAM: Target = Target {
    name: "program",
    largest: 32 << 10,
    seeds: || {
        texts(&[
            "\u{2}{\"progress\":0.3,\"message\":\"m\"}\n{\"token\":\"t\"}\n{\"log\":{\"level\":\"warning\",\"message\":\"m\"}}\n",
            "\u{0}{\"output\":{\"a\":1}}\r\n{\"custom\":{\"k\":[]}}\n{\"error\":{\"category\":\"network\",\"message\":\"m\"}}",
            "\u{7}{\"artifact\":{\"path\":\"out/c.png\",\"name\":\"c.png\",\"media_type\":\"image/png\"}}\nplain\n\n",
            "\u{3}{\"result\":{\"a\":1}}\n{\"failed\":{\"message\":\"m\",\"traceback\":\"t\"}}\n",
        ])
    },
    words: &[
        "{\"progress\":",
        "{\"token\":",
        "{\"log\":",
        "{\"output\":",
        "{\"custom\":",
        "{\"artifact\":",
        "{\"error\":",
        "\n",
        "\r\n",
        "\"level\":\"warning\"",
        "\"message\":",
        "}",
    ],
    long: |size| {
        vec![
            vec![b'\n'; size],
            b"x\n".repeat(size / 2),
            vec![b'x'; size],
            format!("{{\"log\":\"{}\"}}", "x".repeat(size)).into_bytes(),
        ]
    },
    check: |bytes| {
        let mut input = Input(bytes);
        let piece = 1 + input.below(256);
        let whole = program(input.0, input.0.len().max(1));
        assert_eq!(program(input.0, piece), whole, "in pieces of {piece}");
        assert!(whole.len() <= input.0.len());
    },
};

/// The stream of a language model.
pub(super) const MODEL: Target = Target {
    name: "model",
    largest: 32 << 10,
    seeds: || {
        texts(&[
            "\u{0}\u{3}data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n",
            "\u{1}\u{7}event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            "\u{2}\u{1}data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"},{\"functionCall\":{\"name\":\"f\",\"args\":{}}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1},\"modelVersion\":\"m\"}\n\n",
        ])
    },
    words: &[
        "data: ",
        "\n\n",
        "{\"choices\":[",
        "\"delta\":{",
        "\"content\":",
        "\"tool_calls\":[",
        "\"index\":",
        "[DONE]",
        "event: ",
        "content_block_delta",
        "message_stop",
        "\"candidates\":",
        "\"parts\":",
        "\\ud83d",
        "\\ude00",
        "}",
        "]",
    ],
    long: |size| {
        let piece = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\n";
        let call = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n";
        vec![
            format!("\u{0}\u{7}{}", piece.repeat(size / piece.len())).into_bytes(),
            format!("\u{0}\u{7}{}", call.repeat(size / call.len())).into_bytes(),
        ]
    },
    check: |bytes| {
        let mut input = Input(bytes);
        let kind = match input.below(3) {
            0 => ProviderKind::OpenAi,
            1 => ProviderKind::Anthropic,
            _ => ProviderKind::Gemini,
        };
        let piece = 1 + input.below(256);
        let whole = model(kind, input.0, input.0.len().max(1));
        assert_eq!(model(kind, input.0, piece), whole, "in pieces of {piece}");
    },
};
