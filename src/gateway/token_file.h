// TokenFile: a file of bearer tokens, read at the start and again whenever it changed or the operator asks.
// Owned by Gateway, on whose thread it reads; what it makes is handed to all who ask for tokens.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "gateway/metric_set.h"
#include "gateway/watched_file.h"
#include "masque/token_table.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::gateway {

class TokenFile {
 public:
  struct Counters {
    std::uint64_t read = 0, failed = 0;  ///< after the start
  };

  /// Reads it; a file without a token is refused. `flag`: by which it was given. The error names flag, file,
  /// line and mend. What is doubtful (other users may read it; a token that can be guessed) is warned of in
  /// the log.
  static Result<TokenFile> open(std::string flag, std::string path);

  /// Reads it again; when that fails, tokens() stays what it was. A file that has no token any more is one
  /// that lets nobody in.
  Result<> read();
  /// read(), told in the log; whether it succeeded. `why` begins the line; where it is empty, an error is not
  /// repeated every second.
  bool reload(std::string_view why, Time now);
  /// As WatchedFile::has_changed(), and while it is there and cannot be read. To be called every second or
  /// so.
  bool has_changed();
  const std::shared_ptr<const masque::TokenTable>& tokens() const { return tokens_; }
  const std::string& path() const { return file_.path(); }
  const Counters& counters() const { return counters_; }
  void collect(MetricSet& out) const;

 private:
  TokenFile(std::string flag, std::string path) : flag_(std::move(flag)), file_(std::move(path)) {}
  Result<> load();
  /// Whoever writes to a pipe again may never come: it is not waited for while we serve.
  Result<> check_is_file() const;

  std::string flag_;
  WatchedFile file_;
  std::shared_ptr<const masque::TokenTable> tokens_;
  bool is_pipe_ = false;  // or a terminal: read once
  bool unread_ = false;   // it is there, and could not be read
  std::string said_;      // the error that was logged last
  Counters counters_;
};

}  // namespace sallyport::gateway
