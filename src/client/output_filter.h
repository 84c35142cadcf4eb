// Filters before an Output, for bodies that are written from their first byte to their last and not gone on
// with later: OutputFilter hands everything on, HeadedOutput puts heads of responses before the body (`get
// -i`, `-I`), TerminalGuard keeps binary bodies from a terminal.
#pragma once

#include "client/output.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::client {

class OutputFilter : public Output {
 public:
  explicit OutputFilter(std::unique_ptr<Output> inner) : inner_(std::move(inner)) {}

  bool seekable() const override { return false; }
  Result<> write_at(std::uint64_t offset, Bytes bytes) override { return inner_->write_at(offset, bytes); }
  std::size_t queued_bytes() const override { return inner_->queued_bytes(); }
  void set_drained_handler(std::function<void()> drained) override {
    inner_->set_drained_handler(std::move(drained));
  }
  bool gather_writes() const override { return inner_->gather_writes(); }
  Result<> truncate() override { return inner_->truncate(); }
  Result<> complete() override { return inner_->complete(); }
  std::string partial_path() const override { return inner_->partial_path(); }

 protected:
  Output& inner() { return *inner_; }

 private:
  std::unique_ptr<Output> inner_;
};

class HeadedOutput final : public OutputFilter {
 public:
  using OutputFilter::OutputFilter;
  /// A response's head as text; several may come, before the body. A file gets them when the response is one
  /// that is kept.
  Result<> write_head(std::string_view text);

  Result<> write_at(std::uint64_t offset, Bytes bytes) override;
  Result<> truncate() override;
  Result<> complete() override;

 private:
  Result<> write_heads();

  std::string heads_;         // that wait
  std::uint64_t before_ = 0;  // bytes of heads before the body
};

class TerminalGuard final : public OutputFilter {
 public:
  using OutputFilter::OutputFilter;
  /// Refuses a body that has a NUL near its beginning, as curl does.
  Result<> write_at(std::uint64_t offset, Bytes bytes) override;
};

}  // namespace sallyport::client
