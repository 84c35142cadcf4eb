// NativeConnection: owns a Connection's ngtcp2_conn. Access to a folded ngtcp2_conn unfolds it first. For
// quic's own files.
#pragma once

#include "quic/connection_memory.h"

#include <functional>
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
    if (folded_) unfold();
    if (native_ != nullptr) ngtcp2_conn_del(native_);
    native_ = native;
    memory_ = std::move(memory);
  }
  /// `told`: whenever get() has unfolded it.
  void set_on_unfolded(std::function<void()> told) { on_unfolded_ = std::move(told); }
  explicit operator bool() const { return native_ != nullptr; }

  /// Do not keep the pointer beyond one call.
  ngtcp2_conn* get() const {
    if (folded_) [[unlikely]] {
      unfold();
      if (on_unfolded_) on_unfolded_();
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
  void unfold() const {
    memory_->unfold();
    folded_ = false;
  }

  ngtcp2_conn* native_ = nullptr;
  std::unique_ptr<ConnectionMemory> memory_;
  mutable bool folded_ = false;
  std::function<void()> on_unfolded_;
};

}  // namespace sallyport::quic
