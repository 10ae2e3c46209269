# One case of the package tests; see CMakeLists.txt for the variables.

cmake_minimum_required(VERSION 3.25)

set(prefix "${WORK_DIR}/moved")
set(build "${WORK_DIR}/build")
set(consumer "${CMAKE_CURRENT_LIST_DIR}/consumer")
file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message("${output}")
    message(FATAL_ERROR "failed: ${command}")
  endif()
endfunction()

# Installs to one prefix and moves it, since a package must not hold the path that it was installed to.
function(install_package)
  run("${CMAKE_COMMAND}" --install "${BINARY_DIR}" --prefix "${WORK_DIR}/installed")
  file(RENAME "${WORK_DIR}/installed" "${prefix}")
  file(GLOB_RECURSE of_source RELATIVE "${SOURCE_DIR}/include" "${SOURCE_DIR}/include/*.hpp" "${SOURCE_DIR}/include/*.cuh")
  file(GLOB_RECURSE of_package RELATIVE "${prefix}/include" "${prefix}/include/*")
  if(NOT of_source STREQUAL of_package)
    message(FATAL_ERROR "installed headers differ from include/:\n${of_package}")
  endif()
endfunction()

set(configure "${CMAKE_COMMAND}" -S "${consumer}" -B "${build}" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" "-DCMAKE_PREFIX_PATH=${prefix}" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
set(with_cccl "-DSELFSAME_CCCL_INCLUDE_DIR=${CCCL_INCLUDE_DIR}")

function(build_and_run)
  run("${CMAKE_COMMAND}" --build "${build}")
  run("${build}/consumer")
endfunction()

# Fails unless configuring fails with a message that matches.
function(expect_refusal pattern)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(status EQUAL 0 OR NOT output MATCHES "${pattern}")
    message("${output}")
    message(FATAL_ERROR "expected a refusal that matches '${pattern}', got status ${status}")
  endif()
endfunction()

if(CASE STREQUAL "installed")
  install_package()
  run(${configure} ${with_cccl} -DREQUEST=0.1)
  build_and_run()
elseif(CASE STREQUAL "subdirectory")
  run(${configure} ${with_cccl} "-DSUBDIRECTORY=${SOURCE_DIR}")
  build_and_run()
  # A project that uses the library must not get its tests, nor install it unasked for a different compiler.
  if(EXISTS "${build}/selfsame/tests")
    message(FATAL_ERROR "the tests were configured in somebody else's project")
  endif()
elseif(CASE STREQUAL "with_cccl_target")
  # A project that has a CCCL of its own keeps it, and may re-export and install what links selfsame.
  install_package()
  if(NOT CCCL_INCLUDE_DIR)
    execute_process(COMMAND "${CMAKE_COMMAND}" -P "${SOURCE_DIR}/cmake/selfsame-dependencies.cmake"
      OUTPUT_VARIABLE CCCL_INCLUDE_DIR OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
  run(${configure} -DREQUEST=0.1 "-DOWN_CCCL=${CCCL_INCLUDE_DIR}")
  build_and_run()
  run("${CMAKE_COMMAND}" --install "${build}" --prefix "${WORK_DIR}/consumer")
elseif(CASE STREQUAL "version")
  install_package()
  expect_refusal("version: ${VERSION}" ${configure} ${with_cccl} -DREQUEST=0.2)
  expect_refusal("version: ${VERSION}" ${configure} ${with_cccl} -DREQUEST=1.0)
  run(${configure} ${with_cccl} -DREQUEST=${VERSION})
elseif(CASE STREQUAL "without_cccl")
  install_package()
  file(MAKE_DIRECTORY "${WORK_DIR}/empty")
  expect_refusal("holds no headers of CCCL 3.0 or newer"
    ${configure} "-DSELFSAME_CCCL_INCLUDE_DIR=${WORK_DIR}/empty" -DREQUEST=0.1)
elseif(CASE STREQUAL "cuda")
  install_package()
  run(${configure} ${with_cccl} -DREQUEST=0.1 -DCUDA=ON
    "-DCMAKE_CUDA_COMPILER=${CUDA_COMPILER}" "-DCMAKE_CUDA_ARCHITECTURES=80")
  run("${CMAKE_COMMAND}" --build "${build}")
endif()
