# What the headers need: those of CCCL (the CUDA C++ Core Libraries), 3.0 or newer, C++20 from nvcc where the project
# uses it, and OpenMP where there is any.
# Neither nvcc nor a CUDA driver is looked for.
#
# Defines the target selfsame::dependencies and SELFSAME_DEPENDENCIES_FOUND (else ..._MESSAGE says what is missing).
# Run as a script (cmake -P) it prints the folder of CCCL's headers, or fails.
#
# Variables that steer it:
#   SELFSAME_CCCL_INCLUDE_DIR      folder of CCCL's headers (holds cuda/, cub/ and thrust/), before any search
#   SELFSAME_THRUST_DEVICE_SYSTEM  Thrust's device system in units of the plain host compiler: OMP (default), CPP or
#                                  TBB; empty where the project defines THRUST_DEVICE_SYSTEM itself
#   SELFSAME_OPENMP                OFF leaves OpenMP out; thrust::omp::par then runs on one thread

# The version of CCCL in a folder of headers, "0" where there is none.
function(selfsame_cccl_version dir result)
  set(version 0)
  set(header "${dir}/cuda/std/__cccl/version.h")
  if(EXISTS "${header}" AND EXISTS "${dir}/thrust/version.h")
    file(STRINGS "${header}" line REGEX "define CCCL_VERSION [0-9]+")
    if(line MATCHES "CCCL_VERSION ([0-9]+)")
      math(EXPR major "${CMAKE_MATCH_1} / 1000000")
      math(EXPR minor "${CMAKE_MATCH_1} / 1000 % 1000")
      set(version "${major}.${minor}")
    endif()
  endif()
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

# Sets `result` to the first folder with headers of CCCL 3.0 or newer, or to nothing.
function(selfsame_search_cccl result)
  set(folders)
  find_program(SELFSAME_NVCC nvcc)
  mark_as_advanced(SELFSAME_NVCC)
  if(SELFSAME_NVCC)
    file(REAL_PATH "${SELFSAME_NVCC}" nvcc)
    cmake_path(GET nvcc PARENT_PATH bin)
    cmake_path(GET bin PARENT_PATH toolkit_of_nvcc)
  endif()
  file(GLOB versioned LIST_DIRECTORIES true /usr/local/cuda-*)
  list(SORT versioned COMPARE NATURAL ORDER DESCENDING)
  foreach(toolkit IN ITEMS "${CUDAToolkit_ROOT}" "$ENV{CUDAToolkit_ROOT}" "$ENV{CUDA_PATH}" "$ENV{CUDA_HOME}"
          "${toolkit_of_nvcc}" /usr/local/cuda ${versioned} /opt/cuda /usr)
    if(toolkit)
      file(GLOB targets LIST_DIRECTORIES true "${toolkit}/targets/*/include/cccl")
      list(APPEND folders "${toolkit}/include/cccl" "${toolkit}/include" ${targets})
    endif()
  endforeach()

  # The Python package nvidia-cuda-cccl holds the same headers.
  find_program(SELFSAME_PYTHON NAMES python3 python)
  mark_as_advanced(SELFSAME_PYTHON)
  if(SELFSAME_PYTHON)
    execute_process(
      COMMAND "${SELFSAME_PYTHON}" -c
        "import site, sys; print(';'.join(site.getsitepackages() + [site.getusersitepackages()] + sys.path[1:]))"
      OUTPUT_VARIABLE python_folders OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    foreach(folder IN LISTS python_folders)
      file(GLOB packaged LIST_DIRECTORIES true "${folder}/nvidia/*/include/cccl" "${folder}/nvidia/*/include")
      list(APPEND folders ${packaged})
    endforeach()
  endif()

  set(${result} "" PARENT_SCOPE)
  foreach(folder IN LISTS folders)
    selfsame_cccl_version("${folder}" version)
    if(version VERSION_GREATER_EQUAL 3.0)
      set(${result} "${folder}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  set(folder "${SELFSAME_CCCL_INCLUDE_DIR}")
  if(folder)
    selfsame_cccl_version("${folder}" version)
  else()
    selfsame_search_cccl(folder)
    selfsame_cccl_version("${folder}" version)
  endif()
  if(version VERSION_LESS 3.0)
    message(FATAL_ERROR "no headers of CCCL 3.0 or newer")
  endif()
  execute_process(COMMAND "${CMAKE_COMMAND}" -E echo "${folder}")
  return()
endif()

set(SELFSAME_CCCL_INCLUDE_DIR "" CACHE PATH "Folder of the CCCL headers (holds cuda/, cub/ and thrust/)")
set(SELFSAME_THRUST_DEVICE_SYSTEM OMP CACHE STRING "Thrust's device system in units of the plain host compiler")
option(SELFSAME_OPENMP "Compile and link users of selfsame with OpenMP where it is found" ON)

# Sets SELFSAME_CCCL_FOLDERS, a list or an expression that yields one, and SELFSAME_CCCL_ORIGIN for the message.
# A function, so that what find_package sets stays out of the project that called it.
function(selfsame_find_cccl)
  set(SELFSAME_CCCL_FOLDERS "" PARENT_SCOPE)
  if(SELFSAME_CCCL_INCLUDE_DIR)
    selfsame_cccl_version("${SELFSAME_CCCL_INCLUDE_DIR}" version)
    set(SELFSAME_CCCL_ORIGIN "${SELFSAME_CCCL_INCLUDE_DIR}" PARENT_SCOPE)
    if(version VERSION_GREATER_EQUAL 3.0)
      set(SELFSAME_CCCL_FOLDERS "${SELFSAME_CCCL_INCLUDE_DIR}" PARENT_SCOPE)
    endif()
    return()
  endif()
  if(NOT TARGET CCCL::CCCL)
    set(CMAKE_MESSAGE_LOG_LEVEL NOTICE)
    find_package(CCCL 3.0 CONFIG QUIET)
  endif()
  if(TARGET CCCL::CCCL)
    # Its folders, not the target: that would define Thrust's device system to be CUDA in plain host units too.
    set(SELFSAME_CCCL_FOLDERS "$<TARGET_PROPERTY:CCCL::CCCL,INTERFACE_INCLUDE_DIRECTORIES>" PARENT_SCOPE)
    set(SELFSAME_CCCL_ORIGIN "CCCL::CCCL" PARENT_SCOPE)
    return()
  endif()
  selfsame_search_cccl(folder)
  set(SELFSAME_CCCL_FOLDERS "${folder}" PARENT_SCOPE)
  set(SELFSAME_CCCL_ORIGIN "${folder}" PARENT_SCOPE)
endfunction()

set(SELFSAME_DEPENDENCIES_FOUND TRUE)
if(NOT TARGET selfsame::dependencies)
  selfsame_find_cccl()
  if(SELFSAME_CCCL_FOLDERS)
    if(NOT selfsame_FIND_QUIETLY)
      message(STATUS "selfsame: CCCL from ${SELFSAME_CCCL_ORIGIN}")
    endif()
    add_library(selfsame::dependencies INTERFACE IMPORTED GLOBAL)
    target_include_directories(selfsame::dependencies INTERFACE "${SELFSAME_CCCL_FOLDERS}")
    # -I, not -isystem: nvcc puts its own copy of CCCL between the two. CCCL marks its headers as system headers itself.
    set_target_properties(selfsame::dependencies PROPERTIES IMPORTED_NO_SYSTEM TRUE)
    if(CMAKE_VERSION VERSION_LESS 3.26)  # does not know yet that nvcc speaks C++20
      target_compile_options(selfsame::dependencies INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>")
    else()
      target_compile_features(selfsame::dependencies INTERFACE cuda_std_20)
    endif()
    if(SELFSAME_THRUST_DEVICE_SYSTEM)
      target_compile_definitions(selfsame::dependencies INTERFACE
        "$<$<COMPILE_LANGUAGE:CXX>:THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_${SELFSAME_THRUST_DEVICE_SYSTEM}>")
    endif()
    if(SELFSAME_OPENMP)
      find_package(OpenMP QUIET COMPONENTS CXX)
      if(OpenMP_CXX_FOUND)
        # Flags and libraries by value: OpenMP::OpenMP_CXX is not visible in every folder that sees this target. The
        # host half of a CUDA unit gets the flag too, or the linker may keep its single-threaded copy of an engine.
        separate_arguments(flags NATIVE_COMMAND "${OpenMP_CXX_FLAGS}")
        target_compile_options(selfsame::dependencies INTERFACE
          "$<$<COMPILE_LANGUAGE:CXX>:${flags}>"
          "$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=-fopenmp>")
        target_link_libraries(selfsame::dependencies INTERFACE ${OpenMP_CXX_LIBRARIES})
      elseif(NOT selfsame_FIND_QUIETLY)
        message(STATUS "selfsame: no OpenMP found: thrust::omp::par will run on one thread")
      endif()
    endif()
  else()
    set(SELFSAME_DEPENDENCIES_FOUND FALSE)
    if(SELFSAME_CCCL_INCLUDE_DIR)
      set(SELFSAME_DEPENDENCIES_MESSAGE
        "SELFSAME_CCCL_INCLUDE_DIR is '${SELFSAME_CCCL_INCLUDE_DIR}', which holds no headers of CCCL 3.0 or newer.")
    else()
      set(SELFSAME_DEPENDENCIES_MESSAGE
        "selfsame needs the headers of CCCL 3.0 or newer and found none: install the CUDA Toolkit 13 or newer, or the \
Python package nvidia-cuda-cccl, or set SELFSAME_CCCL_INCLUDE_DIR to the folder that holds cuda/, cub/ and thrust/.")
    endif()
  endif()
endif()
