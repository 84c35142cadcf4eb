#include "http/h3_frames.h"

#include "base/varint.h"

#include <algorithm>

namespace sallyport::http {

bool H3FrameHead::take(Bytes& in) {
  Bytes head = in;
  const std::size_t had = partial_size_;
  if (had > 0) {
    const std::size_t more = std::min(in.size(), partial_.size() - had);
    std::copy_n(in.begin(), more, partial_.begin() + static_cast<std::ptrdiff_t>(had));
    head = Bytes(partial_).first(had + more);
  }
  const std::size_t given = head.size();
  const auto type = take_varint(head);
  const auto length = type ? take_varint(head) : std::nullopt;
  if (!length) {
    // Fewer bytes than the longest head, or it would have been complete.
    if (had == 0) std::ranges::copy(in, partial_.begin());
    partial_size_ = static_cast<std::uint8_t>(given);
    in = {};
    return false;
  }
  in = in.subspan(given - head.size() - had);
  type_ = *type;
  left_ = *length;
  partial_size_ = 0;
  known_ = true;
  return true;
}

Bytes H3FrameHead::take_payload(Bytes& in) {
  const Bytes piece = in.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())));
  in = in.subspan(piece.size());
  left_ -= piece.size();
  return piece;
}

std::size_t put_frame_head(MutableBytes out, H3Frame type, std::uint64_t length) {
  const std::size_t size = put_varint(out, static_cast<std::uint64_t>(type));
  return size + put_varint(out.subspan(size), length);
}

}  // namespace sallyport::http
