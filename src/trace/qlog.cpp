#include "trace/qlog.h"

#include "base/file.h"
#include "trace/qlog_writer.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <unistd.h>

namespace sallyport::trace {
namespace {

namespace fs = std::filesystem;

class QlogFactory final : public RecorderFactory {
 public:
  explicit QlogFactory(const QlogOptions& options)
      : ring_bytes_(options.ring_bytes), writer_(options.folder) {}

  std::unique_ptr<Recorder> start(Time now, const ConnectionIdentity& identity) override {
    const Bytes id = identity.original_destination_id;
    return writer_.start({.vantage = identity.vantage,
                          .original_destination_id = {id.begin(), id.end()},
                          .title = identity.title,
                          .start = now,
                          .wall_clock = std::chrono::system_clock::now()},
                         ring_bytes_);
  }

 private:
  const std::size_t ring_bytes_;
  QlogWriter writer_;
};

std::unexpected<Error> cannot_create(const std::string& folder, int error) {
  return fail(ErrorKind::file, "cannot create the qlog folder " + folder + ": " + std::strerror(error),
              static_cast<std::uint64_t>(error));
}

Result<> check_existing(const std::string& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    return fail(ErrorKind::file, "cannot write qlogs to " + folder + ": it is not a folder", ENOTDIR);
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return fail(ErrorKind::file, "cannot write qlogs to the folder " + folder + ": " + std::strerror(errno),
                static_cast<std::uint64_t>(errno));
  return {};
}

}  // namespace

Result<> check_qlog_folder(const std::string& folder) {
  std::error_code ignored;
  if (fs::exists(folder, ignored)) return check_existing(folder);
  // Where a file can be made, a folder can be, too.
  fs::path first = folder;  // of those that would be made
  for (fs::path parent = first.parent_path(); !parent.empty() && !fs::exists(parent, ignored);
       parent = parent.parent_path())
    first = parent;
  if (const int error = creation_error(first); error != 0) return cannot_create(folder, error);
  return {};
}

Result<std::shared_ptr<RecorderFactory>> make_qlog_factory(const QlogOptions& options) {
  std::error_code error;
  if (!fs::exists(options.folder, error)) fs::create_directories(options.folder, error);
  if (error) return cannot_create(options.folder, error.value());
  if (auto done = check_existing(options.folder); !done) return std::unexpected(std::move(done.error()));
  try {
    return std::make_shared<QlogFactory>(options);
  } catch (const std::system_error& no_thread) {
    return fail(ErrorKind::resource,
                std::string("cannot start the thread that writes qlogs: ") + no_thread.what());
  }
}

}  // namespace sallyport::trace
