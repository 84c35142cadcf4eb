// Content: what a request carries to the server (`get -d`, `-T`): text from the command line, a file, or what
// somebody writes into a pipe. BodySender sends it as the body of one request.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "http/exchange.h"
#include "net/fd_watch.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::client {

class Pace;

class Content {
 public:
  static std::shared_ptr<const Content> of_text(std::string text);
  /// "-" is standard input. The error names the file.
  static Result<std::shared_ptr<const Content>> of_file(const std::string& path);

  /// Bytes; nullopt for what is no regular file.
  std::optional<std::uint64_t> size() const { return size_; }
  /// Whether it can be sent more than once.
  bool is_repeatable() const { return size_.has_value(); }

 private:
  friend class BodySender;
  std::string text_;
  std::string name_;         // of a file, for errors
  UniqueFd fd_;              // none: it is text
  std::uint64_t start_ = 0;  // of a regular file: where it begins
  std::optional<std::uint64_t> size_;
};

/// Reads as fast as the peer takes it. A pipe with nothing in it is waited for on `loop`, or, without one,
/// holds up the caller.
class BodySender final : private net::FdWatcher {
 public:
  /// `pace` (null: none) and `loop` must outlive it.
  BodySender(std::shared_ptr<const Content> content, Pace* pace, net::EventLoop* loop);

  /// Sends what there is room for now. To be called when the request was made, from on_writable(), and when
  /// `pace` allows more. What cannot be read resets the exchange.
  void send(http::Exchange& exchange);
  /// The exchange is over.
  void stop();
  bool is_done() const { return done_; }
  /// Nothing is there to be sent, for now.
  bool waits() const { return waits_; }

 private:
  void on_readable() override;
  void on_writable() override {}
  Result<Chunk> read(std::size_t most);

  std::shared_ptr<const Content> content_;
  Pace* pace_;
  net::FdWatch watch_;  // of a pipe; watches nothing where reading may block
  http::Exchange* exchange_ = nullptr;
  std::uint64_t sent_ = 0;
  bool done_ = false, waits_ = false;
};

}  // namespace sallyport::client
