/* Put into PyInstaller's bootloader by freezing/bootloader.py, before it chooses a folder to unpack into.
 *
 * Shared libraries cannot be loaded from a file system that is mounted noexec. Without
 * this, the program would end there with the dynamic loader's words and status 127.
 */
#include <fcntl.h>
#include <sys/mman.h>

static int
aexl_may_execute(const char *folder)
{
    char path[PYI_PATH_MAX];
    void *page;
    int file, refused;

    if (snprintf(path, PYI_PATH_MAX, "%s/probe", folder) >= PYI_PATH_MAX) {
        return -1;
    }
    file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (file < 0) {
        rmdir(folder);
        return -1;
    }
    page = write(file, "aexl", 4) == 4 ? mmap(NULL, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) : MAP_FAILED;
    refused = page == MAP_FAILED && errno == EPERM;
    if (page != MAP_FAILED) {
        munmap(page, 4);
    }
    close(file);
    unlink(path);
    if (!refused) {
        return 0; /* a full disk is for the unpacking to report */
    }
    rmdir(folder);
    *strrchr(path, '/') = 0;
    *strrchr(path, '/') = 0;
    fprintf(stderr, "aexl: %s is mounted noexec: this program cannot be unpacked there and looks for another folder. "
            "Set TMPDIR to one that allows programs to run, or use aexl-onedir.tar.gz, which unpacks nothing.\n", path);
    return -1;
}

static int
aexl_no_folder(void)
{
    fprintf(stderr, "aexl: there is no folder to unpack this program into: tried TMPDIR, TEMP, TMP, /tmp, /var/tmp and "
            "/usr/tmp. Set TMPDIR to a folder that you can write to and that allows programs to run.\n");
    exit(6); /* as aexl.errors.Unavailable */
}
