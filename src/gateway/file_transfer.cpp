#include "gateway/file_transfer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

/// Bytes that one fill reads at most. An exchange that takes them and holds fewer than its high water drops
/// them, whatever it says; reading on would hold up the worker until the end of the file.
constexpr std::size_t most_a_fill = http::Exchange::high_water + Chunk::pooled_size;

}  // namespace

void FileTransfer::start(FileTransfers& owner, http::Exchange& exchange, const http::Response& head,
                         std::shared_ptr<const CachedFile> file, std::vector<TransferPiece> pieces,
                         Replies& replies, TransferCounters& counters) {
  const auto self = owner.emplace(owner.end(), owner, std::move(file), std::move(pieces), replies, counters);
  self->self_ = self;
  exchange.set_handler(&*self);
  exchange.respond(head);
  self->fill(exchange);
}

FileTransfer::FileTransfer(FileTransfers& owner, std::shared_ptr<const CachedFile> file,
                           std::vector<TransferPiece> pieces, Replies& replies, TransferCounters& counters)
    : owner_(owner),
      file_(std::move(file)),
      pieces_(std::move(pieces)),
      replies_(replies),
      counters_(counters),
      seen_(file_->identity) {
  ++counters_.open;
}

FileTransfer::~FileTransfer() {
  --counters_.open;
  counters_.queued_bytes -= queued_;
}

void FileTransfer::on_body(http::Exchange& exchange, Bytes body) {
  answered().on_body(exchange, body);
}

void FileTransfer::on_closed(http::Exchange&, const Error*) {
  owner_.erase(self_);
}

void FileTransfer::fill(http::Exchange& exchange) {
  if (ended_) return;
  std::size_t left = most_a_fill;
  while (at_ < pieces_.size() && left > 0 && exchange.can_write()) {
    const auto queued = exchange.queued_bytes();
    if (queued > http::Exchange::high_water) break;
    Batch batch;
    const bool read = read_some(batch, std::min(left, http::Exchange::high_water - queued + 1));
    // Asked after the reading: what was read before the file changed is as promised.
    if (!read || !is_as_promised()) return cut(exchange);
    left -= std::min(left, batch.bytes);
    send(exchange, batch);
  }
  account(exchange);
  if (at_ == pieces_.size()) {
    ended_ = true;
    sent_ = {};
    exchange.finish();
  }
}

bool FileTransfer::read_some(Batch& batch, std::size_t wanted) {
  while (batch.count < batch.chunks.size() && batch.bytes < wanted && at_ < pieces_.size()) {
    auto& [head, range] = pieces_[at_];
    if (!head.empty()) {
      batch.add(Chunk::copy_of(as_bytes(head)));
      head.clear();
    } else if (range.size > 0) {
      auto chunk = Chunk::allocate(std::min<std::uint64_t>(range.size, Chunk::pooled_size));
      ssize_t count;
      do {
        count = ::pread(file_->fd.get(), chunk.mutable_bytes().data(), chunk.size(),
                        static_cast<off_t>(range.first));
      } while (count < 0 && errno == EINTR);
      if (count <= 0) return false;
      chunk.truncate(static_cast<std::size_t>(count));
      batch.last_at = range.first;
      range.first += chunk.size(), range.size -= chunk.size();
      batch.last = chunk;
      batch.add(std::move(chunk));
    }
    if (head.empty() && range.size == 0) ++at_;
  }
  return true;
}

void FileTransfer::send(http::Exchange& exchange, Batch& batch) {
  for (std::size_t i = 0; i < batch.count; ++i) {
    replies_.count_body(exchange.version(), batch.chunks[i].size());
    exchange.write(std::move(batch.chunks[i]));
  }
  if (batch.last.empty()) return;
  sent_ = std::move(batch.last);
  sent_at_ = batch.last_at;
}

void FileTransfer::account(const http::Exchange& exchange) {
  const auto queued = exchange.queued_bytes();
  counters_.queued_bytes += queued - queued_;
  queued_ = queued;
}

void FileTransfer::cut(http::Exchange& exchange) {
  ended_ = true;
  ++counters_.cut;
  exchange.reset(http::ResetCode::internal_error);
}

bool FileTransfer::is_as_promised() {
  struct stat status{};
  if (::fstat(file_->fd.get(), &status) != 0) return false;
  const FileIdentity now(status);
  if (now == seen_) return true;
  // Longer is fine where it was appended to. What was written over by something longer looks the same from
  // here, but holds other bytes where we read last.
  if (now.size <= seen_.size || !holds_what_was_sent()) return false;
  seen_ = now;
  return true;
}

bool FileTransfer::holds_what_was_sent() const {
  if (sent_.empty()) return true;
  auto now = Chunk::allocate(sent_.size());
  const auto count =
      ::pread(file_->fd.get(), now.mutable_bytes().data(), now.size(), static_cast<off_t>(sent_at_));
  return count == static_cast<ssize_t>(now.size()) && std::ranges::equal(now.bytes(), sent_.bytes());
}

}  // namespace sallyport::gateway
