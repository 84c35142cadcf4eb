// TokenFile: a file of bearer tokens, read at the start and again when it changes or on SIGHUP. Owned by
// Gateway, on whose thread it reads; its TokenTable is shared.
#pragma once

#include "admin/metric_set.h"
#include "base/result.h"
#include "base/time.h"
#include "files/watched_file.h"
#include "masque/token_table.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::admin {

class TokenFile {
 public:
  struct Counters {
    std::uint64_t read = 0, failed = 0;  ///< after the start
  };

  /// Reads it; a file without a token is an error. `flag`: the flag that named it. The error names flag,
  /// file, line and remedy. Logs warnings for doubtful content (other users may read the file; a token is too
  /// short).
  static Result<TokenFile> open(std::string flag, std::string path);

  /// Reads it again; on an error tokens() is unchanged. A file without tokens then denies everybody.
  Result<> read();
  /// read(), with the result logged; returns whether it succeeded. `why` is the prefix of the line; where it
  /// is empty, an error is not logged again every second.
  bool reload(std::string_view why, Time now);
  /// As WatchedFile::has_changed(). Call it about every second.
  bool has_changed() { return file_.has_changed(); }
  const std::shared_ptr<const masque::TokenTable>& tokens() const { return tokens_; }
  const std::string& path() const { return file_.path(); }
  const Counters& counters() const { return counters_; }
  void collect(MetricSet& out) const;

 private:
  TokenFile(std::string flag, std::string path) : flag_(std::move(flag)), file_(std::move(path)) {}
  /// After file_.note().
  Result<> load();

  std::string flag_;
  files::WatchedFile file_;
  std::shared_ptr<const masque::TokenTable> tokens_;
  std::string said_;  // the error that was logged last
  Counters counters_;
};

}  // namespace sallyport::admin
