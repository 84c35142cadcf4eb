#include "net/fd_watch.h"

#include "net/event_loop_impl.h"

#include <memory>

namespace sallyport::net {

Result<FdWatch> FdWatch::open(EventLoop& loop, UniqueFd fd, FdWatcher& watcher) {
  std::unique_ptr<Node> node(new Node{*loop.impl_, &watcher, std::move(fd)});
  if (auto added = node->loop.add(*node); !added) return std::unexpected(std::move(added.error()));
  return FdWatch(node.release());
}

FdWatch& FdWatch::operator=(FdWatch&& other) noexcept {
  if (this != &other) {
    close();
    node_ = std::exchange(other.node_, nullptr);
  }
  return *this;
}

int FdWatch::fd() const {
  return node_ == nullptr ? -1 : node_->fd.get();
}

void FdWatch::set_watcher(FdWatcher& watcher) {
  node_->watcher = &watcher;
}

void FdWatch::want_readable(bool on) {
  if (node_ == nullptr || node_->want_read == on) return;
  node_->want_read = on;
  node_->loop.change(*node_);
}

void FdWatch::want_writable() {
  if (node_ == nullptr || node_->want_write) return;
  node_->want_write = true;
  node_->loop.change(*node_);
}

void FdWatch::close() {
  if (node_ == nullptr) return;
  Node* const node = std::exchange(node_, nullptr);
  node->loop.retire(node);
}

}  // namespace sallyport::net
