#include "net/fd_watch.h"

#include "net/event_loop_impl.h"
#include "net/socket_calls.h"

#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <new>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

namespace sallyport::net {

using Executor = boost::asio::io_context::executor_type;
using Descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;

struct FdWatch::Node {
  Node(EventLoop::Impl& loop_impl, FdWatcher& first_watcher)
      : loop(loop_impl), watcher(&first_watcher), descriptor(loop_impl.context.get_executor()) {}

  void queue_arming();
  void arm(const NodeRef& self);
  void on_read_ready(const boost::system::error_code& error);
  void on_write_ready(const boost::system::error_code& error);

  EventLoop::Impl& loop;
  FdWatcher* watcher;  // null once the FdWatch is gone
  Descriptor descriptor;
  unsigned references = 0;
  bool want_read = false;
  bool want_write = false;
  bool read_pending = false;
  bool write_pending = false;
  bool arming_queued = false;
  bool slot_used = false;
  // Memory of the pending read wait. Asio's own cache of such memory works only inside its handlers; waits
  // for writing are rare and may allocate.
  alignas(std::max_align_t) std::array<std::byte, 112> slot;
};

NodeRef::NodeRef(FdWatch::Node* node) : node_(node) {
  ++node_->references;
}

NodeRef::~NodeRef() {
  if (node_ != nullptr && --node_->references == 0) delete node_;
}

namespace {

/// Hands Asio the node's slot.
template <class T>
struct SlotAllocator {
  using value_type = T;
  FdWatch::Node* node;

  explicit SlotAllocator(FdWatch::Node* of) : node(of) {}
  template <class U>
  SlotAllocator(const SlotAllocator<U>& other) : node(other.node) {}
  template <class U>
  bool operator==(const SlotAllocator<U>& other) const {
    return node == other.node;
  }
  T* allocate(std::size_t count) {
    if (!node->slot_used && count * sizeof(T) <= node->slot.size()) {
      node->slot_used = true;
      return reinterpret_cast<T*>(node->slot.data());
    }
    return static_cast<T*>(::operator new(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t) {
    if (reinterpret_cast<std::byte*>(memory) == node->slot.data())
      node->slot_used = false;
    else
      ::operator delete(memory);
  }
};

struct ReadWait {
  using allocator_type = SlotAllocator<void>;
  NodeRef node;
  allocator_type get_allocator() const { return allocator_type(node.get()); }
  void operator()(const boost::system::error_code& error) { node->on_read_ready(error); }
};

struct WriteWait {
  NodeRef node;
  void operator()(const boost::system::error_code& error) { node->on_write_ready(error); }
};

}  // namespace

void FdWatch::Node::queue_arming() {
  if (arming_queued) return;
  arming_queued = true;
  loop.to_arm.emplace_back(this);
}

void FdWatch::Node::arm(const NodeRef& self) {
  arming_queued = false;
  if (watcher == nullptr) return;
  if (want_read && !read_pending) {
    read_pending = true;
    descriptor.async_wait(Descriptor::wait_read, ReadWait{self});
  }
  if (want_write && !write_pending) {
    write_pending = true;
    descriptor.async_wait(Descriptor::wait_write, WriteWait{self});
  }
}

void FdWatch::Node::on_read_ready(const boost::system::error_code& error) {
  read_pending = false;
  // Any other failure of the wait shows itself to the read that follows.
  if (watcher == nullptr || !want_read || error == boost::asio::error::operation_aborted) return;
  loop.enter_turn();
  queue_arming();  // before the call: it may want no more, or be the end of the watch
  watcher->on_readable();
}

void FdWatch::Node::on_write_ready(const boost::system::error_code& error) {
  write_pending = false;
  if (watcher == nullptr || !want_write || error == boost::asio::error::operation_aborted) return;
  loop.enter_turn();
  want_write = false;
  watcher->on_writable();
}

Result<FdWatch> FdWatch::open(EventLoop& loop, UniqueFd fd, FdWatcher& watcher) {
  NodeRef node(new Node(*loop.impl_, watcher));
  boost::system::error_code error;
  node->descriptor.assign(fd.get(), error);
  if (error) return std::unexpected(socket_error("cannot watch a descriptor", error.value()));
  std::ignore = fd.release();
  ++node->references;  // the FdWatch's own
  return FdWatch(node.get());
}

FdWatch& FdWatch::operator=(FdWatch&& other) noexcept {
  if (this != &other) {
    close();
    node_ = std::exchange(other.node_, nullptr);
  }
  return *this;
}

int FdWatch::fd() const {
  return node_ == nullptr ? -1 : node_->descriptor.native_handle();
}

void FdWatch::set_watcher(FdWatcher& watcher) {
  node_->watcher = &watcher;
}

void FdWatch::want_readable(bool on) {
  if (node_ == nullptr || node_->want_read == on) return;
  node_->want_read = on;
  if (on) node_->queue_arming();
}

void FdWatch::want_writable() {
  if (node_ == nullptr || node_->want_write) return;
  node_->want_write = true;
  node_->queue_arming();
}

void FdWatch::close() {
  if (node_ == nullptr) return;
  const NodeRef node(node_);
  --std::exchange(node_, nullptr)->references;
  node->watcher = nullptr;
  boost::system::error_code ignored;
  node->descriptor.close(ignored);
}

void arm(const NodeRef& node) {
  node->arm(node);
}

}  // namespace sallyport::net
