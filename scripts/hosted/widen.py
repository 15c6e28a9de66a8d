"""Writes a copy of a GGUF file with the same numbers in f32: widen.py FROM TO (llama-cpp-python)."""

import sys

import llama_cpp

how = llama_cpp.llama_model_quantize_default_params()
how.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
how.allow_requantize = True
failed = llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), how)
sys.exit(1 if failed else 0)
