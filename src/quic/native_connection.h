// NativeConnection: owns a Connection's ngtcp2_conn. Access to a folded ngtcp2_conn unfolds it first. For
// quic's own files.
#pragma once

#include "quic/connection_memory.h"

#include <memory>
#include <utility>

#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

class NativeConnection {
 public:
  NativeConnection() = default;
  ~NativeConnection() { reset(); }
  NativeConnection(const NativeConnection&) = delete;
  NativeConnection& operator=(const NativeConnection&) = delete;

  /// `memory`: what `native` was allocated from; null: malloc.
  void reset(ngtcp2_conn* native = nullptr, std::unique_ptr<ConnectionMemory> memory = nullptr) {
    if (native_ != nullptr) ngtcp2_conn_del(get());
    native_ = native;
    memory_ = std::move(memory);
  }
  explicit operator bool() const { return native_ != nullptr; }

  /// Do not keep the pointer beyond one call.
  ngtcp2_conn* get() const {
    if (folded_) [[unlikely]] {
      memory_->unfold();
      folded_ = false;
    }
    return native_;
  }

  bool can_fold() const { return memory_ != nullptr; }
  bool folded() const { return folded_; }
  /// Must not be called from inside ngtcp2.
  void fold() {
    memory_->fold();
    folded_ = true;
  }

 private:
  ngtcp2_conn* native_ = nullptr;
  std::unique_ptr<ConnectionMemory> memory_;
  mutable bool folded_ = false;
};

}  // namespace sallyport::quic
