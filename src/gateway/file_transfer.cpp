#include "gateway/file_transfer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::gateway {

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
      counters_(counters) {
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
  if (!is_unchanged()) {
    ended_ = true;
  } else {
    for (std::size_t room; !ended_ && at_ < pieces_.size() && (room = exchange.room()) > 0;)
      ended_ = !send_some(exchange, room);
  }
  if (ended_) {
    ++counters_.cut;
    exchange.reset(http::ResetCode::internal_error);
    return;
  }
  const auto queued = exchange.queued_bytes();
  counters_.queued_bytes += queued - queued_;
  queued_ = queued;
  if (at_ == pieces_.size()) {
    ended_ = true;
    exchange.finish();
  }
}

bool FileTransfer::send_some(http::Exchange& exchange, std::size_t room) {
  auto& [head, range] = pieces_[at_];
  if (!head.empty()) {
    exchange.write(as_bytes(head));
    replies_.count_body(exchange.version(), head.size());
    head.clear();
  }
  if (range.size > 0) {
    auto chunk = Chunk::allocate(std::min<std::uint64_t>(range.size, room));
    ssize_t count;
    do {
      count = ::pread(file_->fd.get(), chunk.mutable_bytes().data(), chunk.size(),
                      static_cast<off_t>(range.first));
    } while (count < 0 && errno == EINTR);
    if (count <= 0) return false;
    chunk.truncate(static_cast<std::size_t>(count));
    range.first += chunk.size(), range.size -= chunk.size();
    replies_.count_body(exchange.version(), chunk.size());
    exchange.write(std::move(chunk));
  }
  if (range.size == 0) ++at_;
  return true;
}

bool FileTransfer::is_unchanged() const {
  struct stat status{};
  if (::fstat(file_->fd.get(), &status) != 0) return false;
  const FileIdentity now(status);
  // Longer is fine: what is appended to is as promised up to the size that was promised.
  return now.size > file_->identity.size || now == file_->identity;
}

}  // namespace sallyport::gateway
