#include "http/h2_priority_update.h"

#include "http/priority.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace sallyport::http {
namespace {

constexpr std::size_t id_size = 4;
constexpr std::size_t max_payload = id_size + max_priority_value;

}  // namespace

void H2PriorityUpdateReader::add(Bytes piece) {
  const Bytes kept = piece.first(std::min(piece.size(), max_payload - payload_.size()));
  payload_.insert(payload_.end(), kept.begin(), kept.end());
}

Result<H2PriorityUpdate> H2PriorityUpdateReader::finish(const nghttp2_frame_hd& head) {
  const auto broken = [](std::string message, std::uint32_t code = NGHTTP2_PROTOCOL_ERROR) {
    return fail(ErrorKind::protocol, std::move(message), code);
  };
  if (head.stream_id != 0) return broken("PRIORITY_UPDATE on a stream other than 0");
  if (head.length < id_size) return broken("truncated PRIORITY_UPDATE", NGHTTP2_FRAME_SIZE_ERROR);
  if (head.length > max_payload) return broken("PRIORITY_UPDATE is too long", NGHTTP2_ENHANCE_YOUR_CALM);
  std::uint32_t id = 0;
  for (const std::uint8_t octet : Bytes(payload_).first(id_size)) id = id << 8 | octet;
  id &= 0x7fffffff;  // the rest is reserved
  // Even ones are pushes, of which there are none.
  if (id % 2 == 0) return broken("PRIORITY_UPDATE for a stream that is no request stream");
  const auto priority = parse_priority(as_text(Bytes(payload_).subspan(id_size)));
  payload_.clear();
  return H2PriorityUpdate{static_cast<std::int32_t>(id), priority};
}

}  // namespace sallyport::http
