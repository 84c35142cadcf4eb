// KeyLog: the TLS key log file (NSS format, RFC 9850) that lets Wireshark decrypt a capture. One for each
// process; lines of several threads are never mixed.
#pragma once

#include "base/result.h"

#include <memory>
#include <string>
#include <string_view>

namespace sallyport::trace {

class KeyLog {
 public:
  virtual ~KeyLog() = default;
  /// Appends one line (label, client random, secret), without its newline.
  virtual void write(std::string_view line) = 0;
};

/// Appends to `path`, created with mode 0600.
Result<std::shared_ptr<KeyLog>> open_key_log(const std::string& path);

/// The error of open_key_log(), without opening or making the file.
Result<> check_key_log(const std::string& path);

}  // namespace sallyport::trace
