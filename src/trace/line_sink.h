// LineSink: LineWriter's output: a file that can be reopened, or standard output. Calls come from one thread.
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
    std::size_t bytes = 0;  ///< written, from the front
    int error = 0;          ///< errno; EAGAIN: blocked
  };
  virtual ~LineSink() = default;
  /// Writes some of `text`, after waiting for room for at most `patience`. A regular file's disk may take
  /// longer.
  virtual Written write(std::string_view text, Duration patience) = 0;
  /// Opens the path again. True: it is a different file. After an error the old file stays open.
  virtual Result<bool> reopen() = 0;
  /// The existing file ends in an incomplete line, as after a crash or on a full disk.
  virtual bool begins_in_a_line() const { return false; }
  /// For messages.
  virtual const std::string& name() const = 0;
};

class FileSink final : public LineSink {
 public:
  /// Appends to `file`, created with mode 0640 if missing; "-" is standard output. The error is one sentence
  /// that begins with `flag`.
  static Result<std::unique_ptr<LineSink>> open(const std::string& file, std::string_view flag);
  /// The error of open(), without opening or making the file: a FIFO may have no reader.
  static Result<> check(const std::string& file, std::string_view flag);

  Written write(std::string_view text, Duration patience) override;
  Result<bool> reopen() override;
  bool begins_in_a_line() const override { return begins_in_a_line_; }
  const std::string& name() const override { return name_; }

 private:
  explicit FileSink(std::string name) : name_(std::move(name)) {}
  bool open_file();
  int fd() const;

  const std::string name_;
  UniqueFd file_;  // none: standard output itself
  bool standard_output_ = false;
  bool regular_ = false, begins_in_a_line_ = false;
};

}  // namespace sallyport::trace
