#!/bin/sh
# SPDX-License-Identifier: MIT
# Each gate must fail on a planted violation and pass without it; a gate that cannot fail guards nothing.
set -u
gates=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
passed=0
failed=0

fresh() {
  rm -rf "$tree"
  for layer in base wire outbox alarm; do mkdir -p "$tree/include/tocsin/$layer" "$tree/src/$layer"; done
  mkdir -p "$tree/src/program" "$tree/port/linux" "$tree/obj/ship/src"
  printf '#pragma once\n#include <cstdint>\n' >"$tree/include/tocsin/base/a.hpp"
  printf '#include "tocsin/base/a.hpp"\n' >"$tree/src/base/a.cpp"
  printf '#pragma once\n#include "tocsin/base/a.hpp"\n' >"$tree/include/tocsin/port.hpp"
  printf '#pragma once\n#include "tocsin/port.hpp"\n' >"$tree/include/tocsin/outbox/q.hpp"
  printf '#include "tocsin/base/a.hpp"\n#include <cjson/cJSON.h>\n' >"$tree/src/wire/r.cpp"
  printf '#include "tocsin/port.hpp"\n#include <sys/socket.h>\n#include <mbedtls/ssl.h>\n' >"$tree/port/linux/t.cpp"
}

# expect pass|fail NAME COMMAND...
expect() {
  wanted=$1; name=$2; shift 2
  if output=$("$@" 2>&1); then got=pass; else got=fail; fi
  if [ $got = "$wanted" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "gate self-test: $name: wanted $wanted, got $got"
    echo "$output"
  fi
}

layers() { python3 "$gates/layers.py" "$tree"; }
planted() {  # NAME FILE TEXT
  fresh
  printf '%s\n' "$3" >>"$tree/$2"
  expect fail "layers: $1" layers
}
fresh
expect pass 'layers: a clean tree' layers
touch "$tree/crash-0123"
git -C "$tree" init -q && git -C "$tree" add include src crash-0123
expect fail 'layers: a stranger at the top' layers
git -C "$tree" rm -q --cached crash-0123
expect pass 'layers: a stranger that git does not have' layers
planted 'base includes wire' src/base/a.cpp '#include "tocsin/outbox/q.hpp"'
planted 'wire includes the boundary' src/wire/w.cpp '#include "tocsin/port.hpp"'
planted 'port includes outbox' port/linux/p.cpp '#include "tocsin/outbox/q.hpp"'
planted 'cJSON in outbox' src/outbox/o.cpp '#include <cjson/cJSON.h>'
planted 'cJSON in a public header' include/tocsin/wire/w.hpp '#include <cjson/cJSON.h>'
planted 'Mbed TLS in the program' src/program/m.cpp '#include <mbedtls/ssl.h>'
planted 'a system header in portable code' src/alarm/s.cpp '#include <unistd.h>'
planted 'a heap header in portable code' src/alarm/s.cpp '#include <vector>'
planted 'a system header in a public header' include/tocsin/alarm/s.hpp '#  include <time.h>'
planted 'an unknown folder' src/base/a.cpp '#include "../program/main.hpp"'

faults() { python3 "$gates/../mutants/places.py" "$tree"; }
fault() {  # pass|fail NAME LINE-OF-THE-PLACE TEST
  fresh
  mkdir -p "$tree/tests/mutants"
  printf 'int one;\nint two;\nint two;\n' >"$tree/src/base/a.cpp"
  printf 'TEST(a_is_one) {}\n' >"$tree/tests/test_a.cpp"
  printf '== seeded\nfile src/base/a.cpp\nfails %s\n- %s\n+ int three;\n' "$4" "$3" >"$tree/tests/mutants/faults.txt"
  expect "$1" "faults: $2" faults
}
fault pass 'a place that is there' 'int one;' 'test_a a_is*'
fault fail 'a place that is gone' 'int four;' 'test_a a_is*'
fault fail 'a place that is there twice' 'int two;' 'test_a a_is*'
fault fail 'a test that is not there' 'int one;' 'test_b b_is*'
fault fail 'a case that is not there' 'int one;' 'test_a b_is*'

# A library of three functions with a test, and seeded faults.
seeded() {  # NAME OLD NEW [CASE]
  printf '== %s\nfile src/base/a.cpp\nfails test_a %s\n- %s\n+ %s\n' "$1" "${4-}" "$2" "$3" >>"$tree/tests/mutants/faults.txt"
}
mutants() {  # [T=part] [OF=n SLICE=n]
  env CHECK=obj CXX=g++ FLAGS= SANITIZER= LIBS= "$@" "$gates/../mutants/run" "$tree"
}
noticed() { mutants "$@" | sed -n 's/^  noticed *\([^ ]*\) .*/\1/p' | tr '\n' ' '; }
missed() {  # NAME, and as for seeded
  seeded unnoticed "$2" "$3" "${4-}"
  expect fail "mutants: $1" mutants T=unnoticed
  head -n -5 "$tree/tests/mutants/faults.txt" >"$tree/faults" && mv "$tree/faults" "$tree/tests/mutants/faults.txt"
}
fresh
mkdir -p "$tree/tests/mutants" "$tree/obj/tests"
printf 'int one() { return 1; }\nint two() { return 2; }\nint three() { return 3; }\n' >"$tree/src/base/a.cpp"
cat >"$tree/tests/test_a.cpp" <<'TEST'
#include <cstdio>
int one(), two(), three();
int main(int n, char**) {  // with a case it fails by itself; three() is hardly looked at
  if (n == 1 && one() == 1 && two() == 2 && three() > 0) return 0;
  if (three() != 5) std::puts("[  FAILED  ] a");
  return 1;
}
TEST
g++ -c -o "$tree/obj/a.o" "$tree/src/base/a.cpp" && g++ -c -o "$tree/obj/tests/test_a.o" "$tree/tests/test_a.cpp" &&
  ar cr "$tree/obj/libtocsin.a" "$tree/obj/a.o" && g++ -o "$tree/obj/tests/test_a" "$tree/obj/tests/test_a.o" "$tree/obj/libtocsin.a"
for name in one two three; do seeded "no_$name" "int $name() {" "int $name() { return -1;"; done
expect pass 'mutants: all are noticed' mutants
missed 'one that is not noticed' 'return 3;' 'return 4;'
missed 'one that does not compile' 'return 3;' 'return four;'
missed 'one whose place is gone' 'return 4;' 'return 3;'
missed 'one whose test fails without it' 'return 3;' 'return -3;' 'a_case'
missed 'one that only ends its test' 'int two() { return 2' 'extern "C" void exit(int); int two() { return exit(3), 2'
expect fail 'mutants: none is called so' mutants T=no_four
expect fail 'mutants: a slice that is not there' mutants OF=2 SLICE=2
expect fail 'mutants: a slice without any' mutants OF=4 SLICE=3
expect pass 'mutants: a slice takes every second' [ "$(noticed OF=2 SLICE=0)" = 'no_one no_three ' ]
expect pass 'mutants: the other one has the others' [ "$(noticed OF=2 SLICE=1)" = 'no_two ' ]
expect pass 'mutants: a slice says so' [ "$(mutants OF=2 SLICE=1 | tail -n 1)" = \
  '1 faults noticed, 0 missed, 0 skipped, of 3: OF=2 SLICE=1; all of them: make mutants' ]

compiles() { (cd "$tree" && FLAGS='-std=c++17 -Wall -Werror -Iinclude' python3 "$gates/compiles.py" "$@"); }
fresh
expect pass 'headers: a clean one' compiles headers include/tocsin/base/a.hpp
printf '#pragma once\nstd::uint8_t forgot_its_include();\n' >"$tree/include/tocsin/base/b.hpp"
expect fail 'headers: one that lacks an include' compiles headers include/tocsin/base/b.hpp
printf 'struct Twice {};\n' >"$tree/include/tocsin/base/c.hpp"
expect fail 'headers: one without a guard' compiles headers include/tocsin/base/c.hpp

printf 'int narrowed(long x) { int unused; return x; }\n' >"$tree/warned.cpp"
expect fail 'sources: one with a warning' compiles sources warned.cpp
expect pass 'sources: a clean one' compiles sources src/base/a.cpp

printf '// expect-error: not_declared\nint x = not_declared;\n' >"$tree/refused.cpp"
printf '// expect-error: not_declared\nint x = 1;\n' >"$tree/accepted.cpp"
printf '// expect-error: quite another thing\nint x = not_declared;\n' >"$tree/other.cpp"
printf 'int x = not_declared;\n' >"$tree/silent.cpp"
expect pass 'nocompile: refused for its reason' compiles nocompile refused.cpp
expect fail 'nocompile: compiles' compiles nocompile accepted.cpp
expect fail 'nocompile: refused for another reason' compiles nocompile other.cpp
expect fail 'nocompile: names no reason' compiles nocompile silent.cpp

object() {  # TEXT: compiles it the way the library is compiled
  printf '%s\n' "$1" | g++ -std=c++17 -Os ${2--fno-exceptions -fno-rtti -fno-threadsafe-statics} -x c++ -c -o "$tree/obj/ship/src/o.o" -
}
symbols() { (cd "$tree" && python3 "$gates/symbols.py" "$@" obj/ship/src/o.o); }
needs() {  # NAME TEXT [FLAGS]
  object "$2" ${3+"$3"} && expect fail "size: $1" symbols --portable
}
object 'int twice(int x) { return 2 * x; }'
expect pass 'size: clean' symbols --portable
expect fail 'size: above the text budget' symbols --text-max 1 --portable
needs 'new' 'int* f() { return new int[3]; }'
needs 'delete' 'void f(int* p) { delete p; }'
needs 'malloc' '#include <cstdlib>
void* f() { return std::malloc(3); }'
needs 'free' '#include <cstdlib>
void f(void* p) { std::free(p); }'
needs 'a string' '#include <string>
std::string f(const char* s) { return std::string(s) + "x"; }'
needs 'a throwing substr' '#include <string_view>
std::string_view f(std::string_view s) { return s.substr(3); }'
needs 'a destructor at exit' 'struct S { ~S(); }; S s;'
needs 'a guarded static' 'int g(); int f() { static int x = g(); return x; }' -fno-exceptions
needs 'an unlocked guard' 'int g(); int f() { static int x = g(); return x; }'
needs 'throw' 'void f() { throw 1; }' ' '
needs 'type information' 'struct B { virtual ~B(); }; struct D : B {}; D* f(B* b) { return dynamic_cast<D*>(b); }' ' '
object 'struct B { virtual void f() = 0; B(); }; B::B() { }'
expect fail 'size: a pure table in portable code' symbols --portable
expect pass 'size: a pure table outside it' symbols --outer

covered() {  # PERCENT PATTERN: of a program that never takes one way of two
  mkdir -p "$tree/covered"
  printf 'int main(int n, char**) {\n  if (n == 1) return 0;\n  return 1;\n}\n' >"$tree/covered/c.cpp"
  g++ --coverage -O0 -o "$tree/covered/test" "$tree/covered/c.cpp" &&
    python3 "$gates/coverage.py" --check "$tree/covered" --of "$2" --least "$1" test
}
expect pass 'coverage: as much as is asked for' covered 50 "$tree/*"
expect fail 'coverage: less' covered 95 "$tree/*"
expect fail 'coverage: of no source' covered 50 'other/*'

echo "gate self-test: $passed passed, $failed failed"
[ $failed = 0 ]
