// SPDX-License-Identifier: MIT
// The values of a webhook (webhook.hpp) in one object, as lists of messages have them, too. Private to src/wire.
//
// Memory: views as there. Threads: as reply_json.hpp.
#pragma once

#include "reply_json.hpp"
#include "tocsin/wire/webhook.hpp"

namespace tocsin {

Webhook read_webhook_object(JsonValue object, Arena& arena);  // its `kind` is not looked for

}  // namespace tocsin
