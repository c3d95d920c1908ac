// SPDX-License-Identifier: MIT
// expect-error: deleted
#include "tocsin/wire/json_writer.hpp"

// A char pointer would become a truth value; the writer takes string views only.
void writes(tocsin::JsonWriter& json, const char* text) { json.field("text", text); }
