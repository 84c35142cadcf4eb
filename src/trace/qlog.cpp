#include "trace/qlog.h"

#include "trace/qlog_writer.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <unistd.h>

namespace sallyport::trace {
namespace {

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

}  // namespace

Result<std::shared_ptr<RecorderFactory>> make_qlog_factory(const QlogOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error)
    return fail(ErrorKind::file, "cannot create the qlog folder " + options.folder + ": " + error.message(),
                static_cast<std::uint64_t>(error.value()));
  if (!std::filesystem::is_directory(options.folder, error))
    return fail(ErrorKind::file, "cannot write qlogs to " + options.folder + ": it is not a folder", ENOTDIR);
  if (::access(options.folder.c_str(), W_OK | X_OK) != 0)
    return fail(ErrorKind::file,
                "cannot write qlogs to the folder " + options.folder + ": " + std::strerror(errno),
                static_cast<std::uint64_t>(errno));
  try {
    return std::make_shared<QlogFactory>(options);
  } catch (const std::system_error& no_thread) {
    return fail(ErrorKind::resource,
                std::string("cannot start the thread that writes qlogs: ") + no_thread.what());
  }
}

}  // namespace sallyport::trace
