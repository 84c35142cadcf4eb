#include "tls/record_channel.h"

#include "tls/records.h"

#include <algorithm>
#include <cerrno>

namespace sallyport::tls {
namespace {

/// Header, content type, tag; TLS 1.2 has a nonce as well.
constexpr std::size_t record_overhead = 5 + 1 + 16 + 8;

RecordChannel& channel_of(gnutls_transport_ptr_t pointer) {
  return static_cast<RecordChannel&>(*static_cast<Session*>(pointer));
}

}  // namespace

void RecordChannel::join() {
  gnutls_transport_set_pull_function(native(), pull);
  gnutls_transport_set_vec_push_function(native(), push);
}

ssize_t RecordChannel::pull(gnutls_transport_ptr_t self, void* out, std::size_t size) {
  RecordChannel& channel = channel_of(self);
  const std::size_t taken = channel.input_.take({static_cast<std::uint8_t*>(out), size});
  if (taken > 0 || size == 0) return static_cast<ssize_t>(taken);
  gnutls_transport_set_errno(channel.native(), EAGAIN);
  return -1;
}

ssize_t RecordChannel::push(gnutls_transport_ptr_t self, const giovec_t* parts, int count) {
  RecordChannel& channel = channel_of(self);
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    channel.put({static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
    total += static_cast<ssize_t>(parts[i].iov_len);
  }
  return total;
}

void RecordChannel::expect(std::size_t plaintext) {
  output_.expect(plaintext + (plaintext / record_size + 2) * record_overhead);
}

void RecordChannel::put(Bytes record) {
  while (!record.empty()) {
    const MutableBytes room = output_.room(1, record.size());
    const std::size_t count = std::min(record.size(), room.size());
    copy_bytes(record.first(count), room.data());
    output_.added(count);
    record = record.subspan(count);
  }
}

}  // namespace sallyport::tls
