#include "tls/record_buffers.h"

#include <algorithm>

namespace sallyport::tls {
namespace {

constexpr std::size_t smallest_buffer = 1024;

}  // namespace

void RecordInput::settle() {
  if (!arriving_.empty()) kept_.insert(kept_.end(), arriving_.begin(), arriving_.end());
  arriving_ = {};
  if (kept().empty() && !kept_.empty()) release_kept();
}

void RecordInput::release_kept() {
  kept_ = std::vector<std::uint8_t>();
  kept_read_ = 0;
}

std::size_t RecordInput::take(MutableBytes out) {
  const std::size_t taken = std::min(out.size(), kept().size());
  copy_bytes(kept().first(taken), out.data());
  kept_read_ += taken;
  const std::size_t more = std::min(out.size() - taken, arriving_.size());
  copy_bytes(arriving_.first(more), out.data() + taken);
  arriving_ = arriving_.subspan(more);
  return taken + more;
}

std::optional<Bytes> RecordInput::front(std::size_t count) {
  if (size() < count) return std::nullopt;
  if (kept().empty()) {  // the usual case
    kept_.clear();
    kept_read_ = 0;
    return arriving_.first(count);
  }
  if (kept().size() < count) {
    const std::size_t more = count - kept().size();
    kept_.insert(kept_.end(), arriving_.begin(), arriving_.begin() + static_cast<std::ptrdiff_t>(more));
    arriving_ = arriving_.subspan(more);
  }
  return kept().first(count);
}

void RecordInput::skip(std::size_t count) {
  if (kept().empty())
    arriving_ = arriving_.subspan(count);
  else
    kept_read_ += count;
}

std::vector<std::uint8_t> RecordInput::take_kept() {
  const Bytes unread = kept();
  std::vector<std::uint8_t> input(unread.begin(), unread.end());
  release_kept();
  return input;
}

MutableBytes RecordOutput::room(std::size_t least, std::size_t wanted) {
  if (rest() < least) {
    flush();
    chunk_ = Chunk::allocate(
        std::clamp(std::max({expected_, wanted, least}), smallest_buffer, Chunk::pooled_size));
  }
  return chunk_.mutable_bytes().subspan(used_);
}

void RecordOutput::added(std::size_t count) {
  used_ += count;
  expected_ -= std::min(expected_, count);
}

void RecordOutput::flush() {
  Chunk full = std::exchange(chunk_, Chunk{});
  const std::size_t used = std::exchange(used_, 0);
  if (used == 0) return;
  full.truncate(used);
  transport_.write(std::move(full));
}

}  // namespace sallyport::tls
