// H3ControlReader: reads the peer's control stream (RFC 9114 §6.2.1, §7.2, RFC 9218 §7.2): which frames may
// come in which order, and what is in them. A member of H3ConnectionImpl, which does what they ask for.
#pragma once

#include "base/result.h"
#include "base/varint.h"
#include "http/h3_frames.h"
#include "http/h3_settings.h"
#include "http/message.h"
#include "quic/application.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace sallyport::http {

class H3ControlReader {
 public:
  /// Is told what came. A returned Error, with its H3 code, ends the connection.
  class Receiver {
   public:
    virtual Result<> on_settings(const H3Settings& settings) = 0;
    /// `id` is no greater than the one before.
    virtual Result<> on_goaway(std::uint64_t id) = 0;
    /// A server, of a request stream.
    virtual Result<> on_priority_update(quic::StreamId id, const Priority& priority) = 0;
    /// A frame begins that nobody needed: an Error when there were too many.
    virtual Result<> on_control_frame() = 0;
    /// For traces, before it takes effect. `payload` is empty for frames that mean nothing to us.
    virtual void saw_control_frame(std::uint64_t type, std::uint64_t length, Bytes payload) = 0;

   protected:
    ~Receiver() = default;
  };

  /// `is_server`: the stream is a client's.
  explicit H3ControlReader(bool is_server) : is_server_(is_server) {}

  /// The next bytes. An Error ends the connection.
  Result<> read(Bytes data, Receiver& receiver);
  /// Null until SETTINGS came.
  const H3Settings* settings() const { return settings_ ? &*settings_ : nullptr; }

 private:
  Result<> begin_frame(Receiver& receiver);
  Result<> check_type(std::uint64_t type) const;
  Result<> end_frame(Receiver& receiver);
  Result<> take_settings(Receiver& receiver);
  Result<> take_goaway(Receiver& receiver);
  Result<> take_max_push_id();
  Result<> take_priority_update(Receiver& receiver) const;

  const bool is_server_;
  H3FrameHead frame_;
  std::vector<std::uint8_t> payload_;  // of frames that mean something to us
  std::optional<H3Settings> settings_;
  std::uint64_t goaway_ = varint_max;
  std::uint64_t max_push_id_ = 0;
};

}  // namespace sallyport::http
