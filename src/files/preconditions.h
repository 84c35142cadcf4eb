// Preconditions (RFC 9110 §13): whether a conditional request gets the file, 304 or 412.
#pragma once

#include "http/message.h"

#include <cstdint>
#include <string>

namespace sallyport::files {

/// The validators of one state of a file.
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

/// For GET and HEAD, in the order of RFC 9110 §13.2.2. `now`: seconds since 1970.
Precondition check_preconditions(const http::Fields& fields, const Validators& current, std::int64_t now);

/// Whether the Range field applies: there is no If-Range, or it matches this state (RFC 9110 §13.1.5).
bool range_applies(const http::Fields& fields, const Validators& current, std::int64_t now);

}  // namespace sallyport::files
