// H1Parser: HTTP/1.1 messages out of bytes (RFC 9112). Beast's parser does the grammar, without its I/O; what
// RFC 9112 lets a receiver tolerate and smugglers use is refused on top of it (docs/threat-model.md, "request
// smuggling"); of responses, all that clients commonly take is taken. Used by H1Server and H1Client.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "http/fields.h"
#include "http/limits.h"
#include "http/message.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::http {

/// How the end of a message's body is found (RFC 9112 §6.3).
enum class H1Framing : std::uint8_t { none, length, chunked, until_close };

/// A message's head as it was on the wire, except that field names are lower case.
struct H1Head {
  std::string method;  ///< requests
  std::string target;
  unsigned status = 0;  ///< responses
  Version version = Version::http1_1;
  Fields fields;
  H1Framing framing = H1Framing::none;
  bool keep_alive = false;  ///< what version and Connection say; a body until close overrules it
  bool upgrade = false;     ///< Connection lists "upgrade"
};

class H1Parser {
 public:
  enum class Side : std::uint8_t { requests, responses };

  H1Parser(Side side, const Limits& limits);
  ~H1Parser();

  /// Makes ready for the next message. `without_body`: the response to a HEAD request.
  void start(bool without_body = false);

  /// What one step found.
  struct Step {
    std::size_t consumed = 0;  ///< bytes to take off the front of what was fed
    Bytes body;                ///< a piece of the body, inside what was fed
    bool head = false;         ///< the head is complete: see head()
    bool done = false;         ///< the message is complete: see trailers()
  };
  /// Parses one element (a head, a piece of the body) off the front of `in`, which begins with what earlier
  /// steps did not consume. A step with nothing consumed or found needs more bytes; it never lets more than a
  /// head's limit pile up. The code of an Error is the status that a server answers with.
  Result<Step> next(Bytes in);
  /// The stream ended here: fine, and the message done, only for a body until close.
  Result<> end();

  H1Head& head();
  Fields& trailers();
  /// Whether a message has begun (an empty line before it does not count) and is not done.
  bool in_message() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

/// Whether comma-separated `list` has `token`, in any case (RFC 9110 §5.6.1).
bool has_token(std::string_view list, std::string_view token);

}  // namespace sallyport::http
