#!/bin/sh
# SPDX-License-Identifier: MIT
# fuzz.sh [SECONDS] : fuzzes the HTTP response reader with clang's libFuzzer, from tests/fuzz/corpus and every
# vector. What it finds lies in build/fuzz; run one again with build/fuzz/fuzz_http_response FILE.
set -eu
cd "$(dirname "$0")/../.."
out=build/fuzz
seconds=${1:-60}
mkdir -p $out/http_response
clang++ -std=c++17 -fno-exceptions -fno-rtti -Iinclude -Itests -O1 -g -DTOCSIN_LIBFUZZER \
  -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  tests/fuzz/fuzz_http_response.cpp src/wire/http_response.cpp src/base/*.cpp -o $out/fuzz_http_response
python3 - $out/http_response <<'PY'
import pathlib, re, sys
def unescape(text):
    def one(m):
        t = m.group(0)
        return {'r': '\r', 'n': '\n', 't': '\t'}.get(t[1]) or (chr(int(t[2:], 16)) if t[1] == 'x' else t[1])
    text = re.sub(r'\\\*(\d+)\(([^()]*)\)', lambda m: m.group(2) * int(m.group(1)), text)
    return re.sub(r'\\(x[0-9a-f]{2}|.)', one, text)
for path in pathlib.Path('tests/vectors/http').glob('*.txt'):
    for section in path.read_text().split('== ')[1:]:
        name = section.split('\n', 1)[0]
        data = unescape(''.join(line[2:] for line in section.split('\n') if line.startswith('> ')))
        if len(data) < 3000:
            pathlib.Path(sys.argv[1], name).write_bytes(b'\x50' + data.encode('latin-1'))
PY
$out/fuzz_http_response -max_total_time="$seconds" -max_len=6000 -artifact_prefix=$out/ -print_final_stats=1 \
  $out/http_response tests/fuzz/corpus/http_response 2>&1 | tail -15
