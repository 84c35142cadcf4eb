#include "tcp_receiver.h"

#include <algorithm>
#include <utility>

namespace sallyport::sim {

bool TcpReceiver::take(const TcpSegment& segment) {
  const std::uint64_t before = next_;
  const std::uint64_t edge = next_ + window();
  const std::uint64_t end = segment.seq + segment.data.size();
  if (segment.fin && end <= edge) fin_ = end;
  const std::uint64_t room = edge > segment.seq ? edge - segment.seq : 0;
  const Bytes data = segment.data.first(std::min<std::size_t>(segment.data.size(), room));
  if (!ended_ && segment.seq + data.size() > next_) {
    std::vector<std::uint8_t>& piece = pieces_[segment.seq];
    if (piece.size() < data.size()) piece.assign(data.begin(), data.end());
  }
  join();
  return next_ != before;
}

void TcpReceiver::join() {
  while (!pieces_.empty() && pieces_.begin()->first <= next_) {
    const auto node = pieces_.extract(pieces_.begin());
    const std::vector<std::uint8_t>& piece = node.mapped();
    const std::uint64_t known = next_ - node.key();
    if (known >= piece.size()) continue;
    unread_.insert(unread_.end(), piece.begin() + static_cast<std::ptrdiff_t>(known), piece.end());
    next_ += piece.size() - known;
  }
  if (!ended_ && fin_ == next_) {
    ended_ = true;
    ++next_;
  }
}

std::vector<std::uint8_t> TcpReceiver::read(std::size_t most) {
  if (unread_.size() <= most) return std::exchange(unread_, {});
  const auto end = unread_.begin() + static_cast<std::ptrdiff_t>(most);
  std::vector<std::uint8_t> bytes(unread_.begin(), end);
  unread_.erase(unread_.begin(), end);
  return bytes;
}

}  // namespace sallyport::sim
