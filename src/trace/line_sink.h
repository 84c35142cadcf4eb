// LineSink: where LineWriter's bytes go: a file that is opened again on demand, or standard output. Calls
// come from one thread.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::trace {

class LineSink {
 public:
  struct Written {
    std::size_t bytes = 0;  ///< off the front
    int error = 0;          ///< errno; EAGAIN: takes nothing now
  };
  virtual ~LineSink() = default;
  /// Writes some of `text`, after waiting for room for at most `patience`. A regular file's disk may take
  /// longer.
  virtual Written write(std::string_view text, Duration patience) = 0;
  /// Opens what is under its name now. True: it is another file than before. After an error the old one
  /// stays.
  virtual Result<bool> reopen() = 0;
  /// For messages.
  virtual const std::string& name() const = 0;
};

class FileSink final : public LineSink {
 public:
  /// Appends to `file`, which is made (mode 0640) where it is not there; "-" is standard output. The error is
  /// one sentence that begins with `flag`.
  static Result<std::unique_ptr<LineSink>> open(const std::string& file, std::string_view flag);

  Written write(std::string_view text, Duration patience) override;
  Result<bool> reopen() override;
  const std::string& name() const override { return name_; }

 private:
  explicit FileSink(std::string name) : name_(std::move(name)) {}
  bool open_file();
  int fd() const;

  const std::string name_;
  UniqueFd file_;  // none: standard output
  bool regular_ = false;
};

}  // namespace sallyport::trace
