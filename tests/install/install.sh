# Installs the build in $1 into a scratch folder and uses it as a stranger would: find_package, pkg-config, symbols.
set -eu
build=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >/dev/null
mkdir "$work/consumer"
cp "$source/tests/install/consumer.c" "$work/consumer/"
cp "$source/tests/install/CMakeLists.txt.in" "$work/consumer/CMakeLists.txt"
cmake -S "$work/consumer" -B "$work/consumer/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_EXE_LINKER_FLAGS="${HONE_LINK_FLAGS:-}" >/dev/null
cmake --build "$work/consumer/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$work/consumer/build/consumer_static" | grep -q ': 10 weights'
"$work/consumer/build/consumer_shared" | grep -q ': 10 weights'

lib=$(dirname "$(find "$work/prefix" -name 'libhone.so' | head -n 1)")
PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
cc -o "$work/plain" "$source/tests/install/consumer.c" $(pkg-config --cflags --libs hone) -Wl,-rpath,"$lib"
"$work/plain" | grep -q ': 10 weights'
for example in "$source"/examples/*.c; do
    cc -std=c11 -o "$work/example" "$example" $(pkg-config --cflags --libs hone)
done

# Every header compiles alone, also as C++.
for header in "$source"/include/hone/*.h; do
    cc -std=c11 -Wall -Wextra -pedantic -Werror -I"$source/include" -fsyntax-only -x c "$header"
    if command -v c++ >/dev/null; then c++ -std=c++17 -Wall -Wextra -pedantic -Werror -I"$source/include" -fsyntax-only -x c++ "$header"; fi
done

# Only hone_ leaves the library.
foreign=$(nm -D --defined-only "$lib/libhone.so" | awk '{print $3}' | grep -v '^hone_' || true)
[ -z "$foreign" ] || { echo "exported without the prefix: $foreign"; exit 1; }
internal=$(nm -D --defined-only "$lib/libhone.so" | awk '{print $3}' | grep '^hone__' || true)
[ -z "$internal" ] || { echo "internal, yet exported: $internal"; exit 1; }
foreign=$(nm -g --defined-only "$lib/libhone.a" 2>/dev/null | awk 'NF == 3 {print $3}' | grep -v '^hone_' || true)
[ -z "$foreign" ] || { echo "global in the archive without the prefix: $foreign"; exit 1; }

# What is installed looks for libraries in no folder of the build, and in none that depends on where one is.
if command -v readelf >/dev/null; then
    for file in "$work/prefix/bin/hone" "$lib/libhone.so"; do
        places=$(readelf -d "$file" | sed -n 's/.*R\(UN\)\{0,1\}PATH.*\[\(.*\)\].*/\2/p')
        case ":$places:" in
        *"$build"*) echo "$file looks for libraries in the build: $places"; exit 1 ;;
        ::) ;;
        *::*) echo "$file looks for libraries where one is: $places"; exit 1 ;;
        esac
    done
fi

# Completions and manual pages, where shells and man look.
for file in share/bash-completion/completions/hone share/zsh/site-functions/_hone share/fish/vendor_completions.d/hone.fish \
            share/man/man1/hone.1 share/man/man1/hone-train.1; do
    [ -s "$work/prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
