// Preconditions (RFC 9110 §13): whether a request that asks "if it has (not) changed" gets the file, 304 or
// 412.
#pragma once

#include "http/message.h"

#include <cstdint>
#include <string>

namespace sallyport::files {

/// What identifies one state of a file.
struct Validators {
  std::string etag;             ///< strong, with its quotes; empty: there is none
  std::int64_t modified = 0;    ///< seconds since 1970
  bool date_is_strong = false;  ///< `modified` names no other state (RFC 9110 §8.8.2.2)
};

enum class Precondition : std::uint8_t {
  proceed,
  not_modified,  ///< 304
  failed,        ///< 412
};

/// For GET and HEAD, in the order that RFC 9110 §13.2.2 lays down. `now`: seconds since 1970.
Precondition check_preconditions(const http::Fields& fields, const Validators& current, std::int64_t now);

/// Whether the Range field counts: there is no If-Range, or it names this very state (RFC 9110 §13.1.5).
bool range_applies(const http::Fields& fields, const Validators& current, std::int64_t now);

}  // namespace sallyport::files
