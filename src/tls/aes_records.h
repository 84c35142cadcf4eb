// AesRecords: the record protocol of TLS 1.3 (RFC 8446 §5) on a server's connections with
// TLS_AES_128_GCM_SHA256, which most clients choose, by FastAesGcm: records are sealed from the chunks where
// they lie, and GnuTLS's session ends with the handshake and its memory with it. Key updates and alerts are
// done here as well; a client has nothing else to say after the handshake.
#pragma once

#include "net/timers.h"
#include "tls/record_buffers.h"
#include "tls/record_channel.h"
#include "tls/records.h"
#include "tls/traffic_keys.h"

#include <array>
#include <memory>
#include <optional>

namespace sallyport::tls {

class AesRecords final : public Records {
 public:
  /// Of the connection on `channel`, whose handshake is complete and which is used up then; null where this
  /// is not for it, and `channel` is as it was. `timers` must outlive the result.
  static std::unique_ptr<AesRecords> take_over(net::Timers& timers, RecordChannel& channel);
  struct Setup {
    TrafficKeys reading, writing;
    std::vector<std::uint8_t> input;  ///< came behind the handshake
  };
  AesRecords(net::Timers& timers, std::unique_ptr<net::ByteStream> transport, Setup setup);

  net::ByteStream& transport() override { return *transport_; }
  void arrive(Bytes bytes) override { input_.arrive(bytes); }
  void settle() override { input_.settle(); }
  bool has_input() const override { return !input_.empty(); }
  Result<Found> read(const std::function<void(Bytes)>& deliver) override;
  Result<> write(std::vector<Chunk>& plain) override;
  void write_close_notify() override;
  void flush() override { output_.flush(); }

 private:
  enum class Type : std::uint8_t { alert = 21, handshake = 22, application_data = 23 };
  enum class Alert : std::uint8_t;
  /// A record's content, and what it is.
  struct Opened {
    Type type;
    Bytes content;
  };

  // aes_records_read.cpp
  Result<std::optional<Bytes>> next_record();
  Result<Opened> open(Bytes record, MutableBytes out);
  Result<Found> take_alert(Bytes content);
  Result<Found> take_handshake(Bytes content);
  Result<> take_key_update(std::uint8_t request);
  std::unexpected<Error> refuse(Alert alert, std::string_view what);

  // aes_records.cpp
  void put(Type type, std::span<const Bytes> pieces, std::size_t size);
  void put(Type type, Bytes content) { put(type, {&content, 1}, content.size()); }
  Result<> update_writing_keys();

  net::Timers& timers_;
  const std::unique_ptr<net::ByteStream> transport_;
  TrafficKeys reading_, writing_;
  RecordInput input_;
  RecordOutput output_;
  std::array<std::uint8_t, 5> message_{};  // a handshake message that did not come in one record
  std::size_t message_size_ = 0;
  unsigned empty_records_ = 0;  // one after the other
  unsigned key_updates_ = 0;    // since
  Time key_updates_since_{};
};

}  // namespace sallyport::tls
