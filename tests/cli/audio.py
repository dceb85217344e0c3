"""Makes small audio files with tags, as programs write them; none has a sound."""

import struct
from pathlib import Path


def mp3(path: Path, **frames: str) -> Path:
    """Writes an MP3 with the text frames of ID3v2.3 (TIT2, TPE1, ...)."""
    body = b""
    for name, text in frames.items():
        data = b"\x01" + text.encode("utf-16")
        body += name.encode() + struct.pack(">IH", len(data), 0) + data
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    # One second of MPEG 1 layer III, 128 kbit/s, 44.1 kHz.
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    path.write_bytes(b"ID3\x03\x00\x00" + size + body + frame * 38)
    return path


def flac(path: Path, *comments: str) -> Path:
    """Writes a FLAC of two seconds with Vorbis comments (NAME=text)."""
    texts = [comment.encode() for comment in comments]
    vorbis = struct.pack("<I", 0) + struct.pack("<I", len(texts))
    vorbis += b"".join(struct.pack("<I", len(text)) + text for text in texts)
    rate, channels, bits, samples = 44_100, 1, 16, 88_200
    packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | samples
    stream = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    blocks = b"\x00" + len(stream).to_bytes(3, "big") + stream + b"\x84" + len(vorbis).to_bytes(3, "big") + vorbis
    path.write_bytes(b"fLaC" + blocks)
    return path


def wav(path: Path, **texts: str) -> Path:
    """Writes a WAV of one second with a LIST of INFO (INAM, IART, ...)."""
    info = b"INFO"
    for name, text in texts.items():
        data = text.encode() + b"\0"
        info += name.encode() + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    sound = bytes(8000)
    chunks = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    chunks += b"LIST" + struct.pack("<I", len(info)) + info + b"data" + struct.pack("<I", len(sound)) + sound
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path
