// SPDX-License-Identifier: MIT
// Every built-in limit of the program, in one place: unit, reason, and what it costs in RAM.
//
// A firmware team changes a number here and builds again; nothing else has to follow. What a person
// may choose at run time stands in the configuration and is checked against these.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tocsin {

// Messages (src/wire/message.cpp spells them).
inline constexpr std::size_t kMaxText = 1024;        // bytes of UTF-8 in one message text
inline constexpr std::size_t kMaxPhones = 32;        // phones of one event: the group must fit one record
inline constexpr std::size_t kMaxName = 32;          // bytes of a stream, contact, group or alarm name
inline constexpr unsigned kMaxWays = 4;              // streams that one message may go by, in order
inline constexpr std::size_t kMaxWayNames = kMaxWays * (kMaxName + 1) - 1;  // with commas between them
inline constexpr std::size_t kMaxDeviceName = 20;    // bytes of `name` in [device]: it begins every id
inline constexpr std::size_t kMaxId = 36;            // NAME-TAG-NUMBER; the service's own limit is unknown
inline constexpr std::size_t kMaxEvent = 64;         // bytes of an event key; the portal shows what it may hold
inline constexpr std::size_t kMaxSender = 32;        // bytes; the service documents none, networks take 11 or 15
inline constexpr std::size_t kMaxUuid = 64;          // bytes of a message_uuid; a real one has 36
inline constexpr std::size_t kMaxReason = 120;       // bytes of a refusal in the service's own words, cut beyond
inline constexpr unsigned kMaxSends = 3;             // copies of one message that may reach the service, ever

// The queue. RAM: kMaxMessages * 64 B of index (touched only as far as used) + kStagingBytes + kJobBlocks * kBlock.
inline constexpr std::uint32_t kBlock = 4096;        // bytes; no write touches synced bytes of another block
inline constexpr std::size_t kMaxMessages = 10'496;  // waiting (256 less) and kept; queue_size chooses within it
inline constexpr std::size_t kStagingBytes = 32'768; // records that are not on the medium yet
inline constexpr std::size_t kJobBlocks = 8;         // blocks of one write job
inline constexpr std::size_t kMaxBlocks = 4096;      // blocks of one file: 16 MiB
inline constexpr std::size_t kMaxAlarms = 64;        // alarms whose state is kept
inline constexpr std::size_t kMaxStopped = 64;       // phones that ever answered STOP: 130 B each, as far as used

// One request to the service.
inline constexpr std::size_t kMaxBatch = 20;         // messages in one request
inline constexpr std::size_t kMaxTroubled = 32;      // recipients whose last try failed: 24 B each
inline constexpr std::size_t kRequestHeadBytes = 1'280; // head of a request: address, host, token
inline constexpr std::size_t kRequestBodyBytes = 10'240; // body; a batch takes as many messages as fit
inline constexpr std::size_t kMaxForm = 4'096;       // bytes of a request_body; in RAM for each stream that has one
inline constexpr std::size_t kMaxCode = 32;          // characters of a one-time code
inline constexpr unsigned kFormDepth = 16;           // its nesting
inline constexpr std::size_t kHeadBytes = 4'096;     // head of an answer: longer is refused
inline constexpr std::size_t kAnswerBytes = 16'384;  // body of an answer: longer is unreadable, never guessed
inline constexpr std::size_t kJsonDepth = 8;         // nesting of an answer; refused before the parser sees it
inline constexpr std::size_t kReplyArenaBytes = 98'304;  // cJSON's nodes of one answer
inline constexpr std::size_t kTlsArenaBytes = 360'448;   // Mbed TLS, where it can be given one; touched only as far as
                                                         // used: 27 to 38 KiB a stream, 64 with the longest chain, and
                                                         // six times what revocation lists have
inline constexpr std::size_t kMaxChainBytes = 16'384;    // of the server's certificates: one record of TLS holds them
inline constexpr std::size_t kMaxToken = 512;        // bytes of a stream token
inline constexpr std::size_t kMaxProxyLogin = 256;   // bytes of user:password for a proxy; in RAM for each stream

// Requests to this device: webhooks.
inline constexpr std::size_t kHookHeadBytes = 4'096; // head of one, chunk sizes and trailers included
inline constexpr std::size_t kHookLineBytes = 2'048; // one line of it: a GET has everything in its first
inline constexpr std::size_t kHookBodyBytes = 8'192; // body
inline constexpr std::size_t kMaxHookEvents = 32;    // that one tells of: 120 B of stack each
inline constexpr std::size_t kMaxHooks = 8;          // at once, 12 KiB each, touched only as far as used
inline constexpr std::size_t kMaxHookSecret = 128;   // bytes of the shared secret
inline constexpr std::size_t kHookTlsBytes = 49'152; // Mbed TLS for one of them at a time; touched only as far as used

// Configuration.
inline constexpr std::size_t kMaxConfigLine = 1024;  // bytes
inline constexpr std::size_t kMaxStreams = 4;        // one connection each
inline constexpr std::size_t kMaxContacts = 64;
inline constexpr std::size_t kMaxGroups = 16;
inline constexpr std::size_t kMaxMembers = 16;       // contacts of one group

}  // namespace tocsin
