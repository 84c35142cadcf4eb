// GnutlsRecords: the record protocol by GnuTLS, for every version and cipher suite that it negotiates.
#pragma once

#include "tls/record_channel.h"
#include "tls/records.h"

#include <memory>

namespace sallyport::tls {

class GnutlsRecords final : public Records {
 public:
  /// The handshake on `channel` is complete.
  explicit GnutlsRecords(std::unique_ptr<RecordChannel> channel) : channel_(std::move(channel)) {}

  net::ByteStream& transport() override { return channel_->transport(); }
  void arrive(Bytes bytes) override { channel_->arrive(bytes); }
  void settle() override { channel_->settle(); }
  bool has_input() const override;
  Result<Found> read(const std::function<void(Bytes)>& deliver) override;
  Result<> write(std::vector<Chunk>& plain) override;
  void write_close_notify() override;
  void flush() override { channel_->flush(); }

 private:
  Error read_failure(int code);
  Result<> send(Bytes bytes);
  Result<> send_gathered(std::vector<Chunk>& plain, std::size_t& next);

  const std::unique_ptr<RecordChannel> channel_;
};

}  // namespace sallyport::tls
