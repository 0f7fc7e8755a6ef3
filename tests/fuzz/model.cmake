tf_fuzz(fuzz_safetensors LIBS tf_model_import tf_model)
tf_fuzz(fuzz_npy LIBS tf_model)
tf_fuzz(fuzz_onnx LIBS tf_model_import tf_model)
tf_fuzz(fuzz_tokens LIBS tf_text)
