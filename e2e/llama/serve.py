"""llama.cpp's own server, on a free port, with a model that says one text.

The model is a real one for llama.cpp, of a few hundred tokens and one layer: what follows a token is written into its
weights, so its answer is known beforehand, emoji in four tokens of one byte each included. `python serve.py TEXT`.
"""

import struct
import sys
import tempfile
import time

import xllamacpp

TEXT = sys.argv[1]
WIDTH = 128
STRING, ARRAY, UINT32, FLOAT32, INT32 = 8, 9, 4, 6, 5
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def key(name, kind, data):
    return text(name) + struct.pack("<I", kind) + data


def array(name, kind, values, pack):
    return key(name, ARRAY, struct.pack("<IQ", kind, len(values)) + b"".join(pack(value) for value in values))


def vocabulary():
    """Tokens with their types: the usual ones, every byte, and the words of the text."""
    tokens = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    chain = []
    for word in TEXT.split(" "):
        if word.isascii():
            tokens.append(("\u2581" + word, NORMAL))
            chain.append(len(tokens) - 1)
        else:
            chain += [3 + byte for byte in (" " + word).encode()]
    return tokens, chain + [2]


def weights(count, chain):
    """Embeddings and outputs: each token of the text has a direction of its own, and all others that of its beginning."""
    assert len(set(chain)) == len(chain) and len(chain) < WIDTH, "no token of the text may come twice"
    embeddings = [[0.0] * WIDTH for _ in range(count)]
    outputs = [[0.0] * WIDTH for _ in range(count)]
    for token in range(count):
        place = chain.index(token) + 1 if token in chain[:-1] else 0
        embeddings[token][place] = 1.0
    for place, token in enumerate(chain):
        outputs[token][place] = 4.0
    return embeddings, outputs


def model():
    tokens, chain = vocabulary()
    embeddings, outputs = weights(len(tokens), chain)
    zeros = [[0.0] * WIDTH] * WIDTH
    ones = [[1.0] * WIDTH]
    tensors = [("token_embd.weight", embeddings), ("output.weight", outputs), ("output_norm.weight", ones)]
    tensors += [(f"blk.0.{name}.weight", ones) for name in ("attn_norm", "ffn_norm")]
    names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    tensors += [(f"blk.0.{name}.weight", zeros) for name in names]
    number = {"context_length": 2048, "embedding_length": WIDTH, "block_count": 1, "feed_forward_length": WIDTH}
    number |= {"attention.head_count": 4, "attention.head_count_kv": 4, "rope.dimension_count": 32}
    pairs = [key("general.architecture", STRING, text("llama")), key("general.name", STRING, text("speaker"))]
    pairs += [key(f"llama.{name}", UINT32, struct.pack("<I", value)) for name, value in number.items()]
    pairs.append(key("llama.attention.layer_norm_rms_epsilon", FLOAT32, struct.pack("<f", 1e-5)))
    pairs.append(key("tokenizer.ggml.model", STRING, text("llama")))
    pairs.append(array("tokenizer.ggml.tokens", STRING, [token for token, _ in tokens], text))
    pairs.append(array("tokenizer.ggml.scores", FLOAT32, [0.0] * len(tokens), lambda value: struct.pack("<f", value)))
    pairs.append(array("tokenizer.ggml.token_type", INT32, [kind for _, kind in tokens], lambda value: struct.pack("<i", value)))
    for place, name in enumerate(("unknown", "bos", "eos")):
        pairs.append(key(f"tokenizer.ggml.{name}_token_id", UINT32, struct.pack("<I", place)))
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs)
    offset, data = 0, b""
    for name, rows in tensors:
        shape = [WIDTH] if len(rows) == 1 else [WIDTH, len(rows)]
        out += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        packed = b"".join(struct.pack(f"<{WIDTH}f", *row) for row in rows)
        packed += b"\0" * (-len(packed) % 32)
        offset += len(packed)
        data += packed
    return out + b"\0" * (-len(out) % 32) + data


with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
    file.write(model())
    file.flush()
    params = xllamacpp.CommonParams()
    params.model.path = file.name
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.fit_params = False
    params.n_ctx, params.n_parallel = 1024, 2
    params.cpuparams.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    print(f"serving {server.listening_address}", flush=True)
    while True:
        time.sleep(60)
