// What a response of success is worth to whoever asked for a resource or for a range of it (RFC 9110 §14,
// §15.3.7): all of it, the part that was asked for, or neither. The one place that judges this; Fetch acts by
// it.
#pragma once

#include "client/output.h"
#include "http/message.h"

#include <cstdint>
#include <optional>
#include <string>

namespace sallyport::client {

/// What was asked for.
struct Question {
  std::optional<ByteRange> range;  ///< nullopt: all of it, without a Range field
  std::uint64_t size = 0;          ///< of the whole, as the parts that are there know it; 0: not known yet
  std::string validator;           ///< what was sent as If-Range; empty: none
};

struct Answer {
  enum class Is : std::uint8_t {
    whole,          ///< the body is the whole resource
    part,           ///< the body is `range`, which begins where the one asked for does, and may be shorter
    other_version,  ///< a part of another version of the resource than the one asked about
    useless,        ///< a slice that was not asked for, or one of which nobody knows where it belongs
  };
  Is is = Is::useless;
  ByteRange range;  ///< of a part
  std::uint64_t size =
      0;  ///< of a part: that of the whole; of the whole, where a Content-Range tells it: 0: no
};

/// Judges the head of a response whose status is 2xx. A status other than 206 says that the body is the
/// whole. Content-Range has no meaning there (RFC 9110 §14.4), so one that makes no sense is ignored; but one
/// that names a slice is believed, since what such servers send is a slice all the same.
Answer judge(const Question& question, const http::Response& head);

}  // namespace sallyport::client
