#include "gateway/token_file.h"

#include "base/file.h"
#include "base/log.h"
#include "masque/token_lines.h"

#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

namespace sallyport::gateway {
namespace {

FileIdentity identity_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? FileIdentity(status) : FileIdentity{};
}

void warn_of_readers(const std::string& flag, const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0)
    log_warn("{}: every user of this machine can read {}; chmod o-r {} keeps them out", flag, path, path);
}

}  // namespace

Result<TokenFile> TokenFile::open(std::string flag, std::string path) {
  TokenFile file(std::move(flag), std::move(path));
  if (auto done = file.load(); !done) return std::unexpected(std::move(done.error()));
  if (file.tokens_->size() == 0 && file.is_pipe_)
    return fail(ErrorKind::file,
                fmt::format("{}: no token came out of {}; what is no file is read once, at the start, when "
                            "somebody has to be writing into it",
                            file.flag_, file.path_));
  if (file.tokens_->size() == 0)
    return fail(ErrorKind::file, fmt::format("{}: {} has no token in it; write one a line: NAME TOKEN",
                                             file.flag_, file.path_));
  return file;
}

Result<> TokenFile::load() {
  changed_.reset();
  // Before it is read: what is written while we read is then a change.
  read_ = identity_of(path_);
  const auto content = read_file(path_, masque::TokenLines::max_file);
  struct stat status{};
  is_pipe_ = ::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  // What is there may only lack a descriptor or memory to be read with; it is tried again.
  unread_ = !content && read_ != FileIdentity{};
  if (!content) return fail(content.error().kind, flag_ + ": " + content.error().message);
  auto tokens = masque::TokenTable::parse(*content, path_);
  if (!tokens) return fail(tokens.error().kind, flag_ + ": " + tokens.error().message);
  tokens_ = std::move(*tokens);
  warn_of_readers(flag_, path_);
  if (const auto& weak = tokens_->weak_lines(); !weak.empty())
    log_warn(
        "{}: the token in line {} of {} has fewer than {} characters and can be guessed; head -c 24 "
        "/dev/urandom | base64 makes a good one",
        flag_, weak.front(), path_, masque::TokenTable::short_token);
  return {};
}

Result<> TokenFile::check_is_file() const {
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0 || S_ISREG(status.st_mode)) return {};
  return fail(ErrorKind::file,
              fmt::format("{}: {} is no regular file; it is read once, at the start, and its tokens stay as "
                          "they are; put them in a file to change them",
                          flag_, path_));
}

Result<> TokenFile::read() {
  auto done = check_is_file();
  if (done) {
    done = load();
  } else {
    read_ = identity_of(path_);  // said once
    changed_.reset();
  }
  ++(done ? counters_.read : counters_.failed);
  return done;
}

bool TokenFile::has_changed() {
  if (is_pipe_ && !check_is_file()) return false;
  if (unread_) return true;
  const FileIdentity now = identity_of(path_);
  if (now == read_) {
    changed_.reset();
    return false;
  }
  return std::exchange(changed_, now) == now;
}

}  // namespace sallyport::gateway
