// TokenFile: a file of bearer tokens, read at the start and again whenever it changed or the operator asks.
// Owned by Gateway, on whose thread it reads; what it makes is handed to all who ask for tokens.
#pragma once

#include "base/result.h"
#include "files/served_folder.h"
#include "masque/token_table.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

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
  /// Whether it was replaced, written to or removed since it was last read, and then left alone from one call
  /// to the next: half of a file that is being written is not to be taken for all of it. To be called every
  /// second or so.
  bool has_changed();
  const std::shared_ptr<const masque::TokenTable>& tokens() const { return tokens_; }
  const std::string& path() const { return path_; }
  const Counters& counters() const { return counters_; }

 private:
  TokenFile(std::string flag, std::string path) : flag_(std::move(flag)), path_(std::move(path)) {}
  Result<> load();
  /// Whoever writes to a pipe again may never come: it is not waited for while we serve.
  Result<> check_is_file() const;

  std::string flag_, path_;
  std::shared_ptr<const masque::TokenTable> tokens_;
  files::FileIdentity read_;  // what it was when it was last read; the default where it was not there
  std::optional<files::FileIdentity> changed_;  // what it was at the last look, when that is another one
  bool is_pipe_ = false;                        // or a terminal: read once
  bool unread_ = false;                         // it is there, and could not be read
  Counters counters_;
};

}  // namespace sallyport::gateway
